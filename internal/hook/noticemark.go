package hook

import "time"

// The bounds of the quiet period.
const (
	NoticeQuietDefault  = time.Hour      // NoticeQuietDefault is the quiet period where nobody chose one.
	NoticeQuietShortest = time.Minute    // NoticeQuietShortest is the shortest quiet period.
	NoticeQuietLongest  = 24 * time.Hour // NoticeQuietLongest is the longest quiet period.
)

const (
	// noticeFailingAfter is how long a circuit has been open when that is told as failing.
	noticeFailingAfter = 5 * time.Minute
	// A webhook that will be disabled is warned of when so much of the time until then has passed.
	noticeDisableDone, noticeDisableOf = 3, 4
	// noticeAttemptsShare is the part of a delivery's redeliveries that are left when it is warned of: one in so many.
	noticeAttemptsShare = 4
	// NoticeBacklogAge is how long a delivery has been due, although its receiver works, when that may be a growing backlog.
	NoticeBacklogAge = time.Minute
)

// NoticeMark remembers, for one kind of notice about one webhook, when the last one was sent and how much of it has happened since
// that nobody was told. The zero value is where nothing has happened yet.
type NoticeMark struct {
	Last time.Time
	Held int64
}

// Quiet reports whether nothing may be sent now. A mark from a future beyond the quiet period is a clock's mistake, and silences
// nobody.
func (m NoticeMark) Quiet(now time.Time, quiet time.Duration) bool {
	return !m.Last.IsZero() && now.Before(m.Last.Add(quiet)) && now.After(m.Last.Add(-quiet))
}

// Happen notes that something has happened so many times, and decides: told is the count of the notice that is sent now, or zero
// when nothing is, because the last one was not long ago. What is held back is told later: nothing is counted twice or never.
func (m NoticeMark) Happen(now time.Time, quiet time.Duration, times int64) (told int64, next NoticeMark) {
	m.Held += times
	if m.Held == 0 || m.Quiet(now, quiet) {
		return 0, m
	}
	return m.Held, NoticeMark{Last: now}
}

// NoticeMoment returns the last moment at which an open circuit makes a webhook failing, and whether it is a warning that must not
// be held back because the server will disable the webhook; the zero time is none yet.
func NoticeMoment(w *Webhook, now time.Time) (moment time.Time, urgent bool) {
	if !w.Circuit.Open() {
		return moment, false
	}
	if at := w.DisableAt(); !at.IsZero() {
		warned := w.Circuit.Since.Add(at.Sub(w.Circuit.Since) / noticeDisableOf * noticeDisableDone)
		if !now.Before(warned) {
			return warned, true
		}
	}
	if after := w.Circuit.Since.Add(noticeFailingAfter); !now.Before(after) {
		return after, false
	}
	return moment, false
}

// Failing reports whether an outcome leaves its delivery few redeliveries: no more than a quarter, or one. It says nothing of one
// that leaves none.
func (r *Retry) Failing(o *Outcome) bool {
	if o.Attempt.Acknowledged() || o.Next.IsZero() {
		return false
	}
	return r.left(o) <= max(1, r.Attempts/noticeAttemptsShare)
}

// left is how many redeliveries a failed attempt leaves.
func (r *Retry) left(o *Outcome) int { return r.Attempts - (o.Attempt.Number - o.Delivery.Base) + 1 }

// GivesUpAt returns when a delivery that was to be tried again is given up if it goes on failing: as the schedule says, without the
// time that attempts take and without jitter.
func (r *Retry) GivesUpAt(o *Outcome) time.Time {
	const middle = 0.5 // the random value that jitter leaves a wait as it is for
	at, tried := o.Next, o.Attempt.Number-o.Delivery.Base
	for left := r.left(o) - 1; left > 0; left-- {
		tried++
		at = at.Add(r.Wait(tried, 0, middle))
	}
	return at
}
