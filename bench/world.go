package main

import (
	"iter"
	"math"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// worldSpan is how long ago the oldest event of a world happened.
	worldSpan = 90 * 24 * time.Hour
	// worldLag is how many interactions lie between an interaction's STARTED and its FINISHED.
	worldLag = 200
	// worldHold is how long the deliveries to the dead receiver are not due: nothing is sent while lists are measured.
	worldHold = 30 * 24 * time.Hour
	// sessionBlock is how many interactions 20 sessions have together that have 1 to 20 of them.
	sessionBlock, sessionSizeMax = 210, 20
	// queues is how many queues share all interactions but a few; one in rareQueuePart is in a queue of its own.
	queues, rareQueuePart = 50, 100_000
	rareQueue             = "rare"
	// failedShare is the share of the deliveries that were delivered by their second attempt, in thousandths.
	failedShare = 20
	// exhaustedAttempts is how many attempts an exhausted delivery has made.
	exhaustedAttempts = 3
)

// A world is the content of a store, made from numbers alone: what belongs to a number is known without reading it.
type world struct {
	events int64
	end    time.Time
	center int64
	// hooks are the webhooks' numbers in the store, in the order of worldHooks.
	hooks []int64
}

// A worldHook is a webhook and which events it was sent.
type worldHook struct {
	name string
	// part is the share of the events, in millionths, and from where on of all events, in thousandths, it gets them.
	part, from int64
	kind       hookKind
}

type hookKind int

const (
	healthyHook  hookKind = iota
	deadHook              // enabled, but its receiver does not answer: all is pending
	disabledHook          // all is held
	outageHook            // healthy again, but what it was sent in a long outage is exhausted
)

// worldHooks are the webhooks: three fifths of the deliveries go to the first one, a ten-thousandth to the last.
func worldHooks() []worldHook {
	return []worldHook{
		{"60 %", 1_000_000, 0, healthyHook},
		{"20 %, dead", 1_000_000, 667, deadHook},
		{"14.6 %, with an outage", 243_000, 0, outageHook},
		{"4 %", 66_667, 0, healthyHook},
		{"0.9 %", 15_000, 0, healthyHook},
		{"0.4 %, disabled", 66_667, 900, disabledHook},
		{"0.09 %", 1_500, 0, healthyHook},
		{"0.01 %", 167, 0, healthyHook},
	}
}

// newWorld makes one of about so many deliveries.
func newWorld(deliveries int64, end time.Time) *world {
	return &world{events: max(deliveries*3/5, 1000) &^ 1, end: end.Truncate(time.Millisecond)}
}

// mix is a number that looks random (splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
func mix(n, stream int64) uint64 {
	z := uint64(n)*0x9e3779b97f4a7c15 + uint64(stream)*0xd1342543de82ef95 + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// chance reports whether something that happens to so many of a million happens to n.
func chance(n, stream, millionths int64) bool { return int64(mix(n, stream)%1_000_000) < millionths }

// The streams of mix.
const (
	idStream, sessionStream, operationStream     int64 = 1, 3, 5 // and the number after each
	queueStream, mediaStream                     int64 = 10, 11
	failedStream, classStream, exhaustedStream   int64 = 12, 13, 14
	triedStream, hookStream                      int64 = 15, 100 // and one for each webhook
	outageFrom, outageUntil, exhaustedMillionths int64 = 400, 537, 33_000
)

func uuidOf(n, stream int64) hook.UUID {
	var b [16]byte
	for i, half := range []uint64{mix(n, stream), mix(n, stream+1)} {
		for j := range 8 {
			b[8*i+j] = byte(half >> (8 * j))
		}
	}
	return hook.V4(b)
}

func (w *world) interactionID(k int64) hook.InteractionID {
	return hook.InteractionID{UUID: uuidOf(k, idStream)}
}

// sessionID gives sessions 1 to 20 interactions: of every 210 that follow each other the first session has one, the next two.
func (w *world) sessionID(k int64) hook.SessionID {
	place := int64((math.Sqrt(float64(8*(k%sessionBlock)+1)) - 1) / 2)
	return hook.SessionID{UUID: uuidOf(k/sessionBlock*sessionSizeMax+place, sessionStream)}
}

// at is when the i-th event happened.
func (w *world) at(i int64) time.Time {
	return w.end.Add(-worldSpan + time.Duration(float64(worldSpan)*float64(i)/float64(w.events))).Truncate(time.Millisecond)
}

// serial is the key of the i-th event, and with zero the key of the interaction that began with it. Where a small world has events
// in one millisecond, a counter tells them apart.
func (w *world) serial(i int64, of hook.Serial) int64 {
	return int64(hook.SerialAt(w.at(i)) + of*hook.SlotsMax)
}

// startedOf and finished are the events of the k-th interaction; there may be no FINISHED yet.
func startedOf(k int64) int64 { return 2 * k }

func (w *world) finished(k int64) (i int64, ok bool) {
	i = 2*(k+worldLag) + 1
	return i, i < w.events
}

// interactionOf is the interaction of the i-th event, or -1 where there is no such event.
func interactionOf(i int64) int64 {
	if i%2 == 0 {
		return i / 2
	}
	return max((i-1)/2-worldLag, -1)
}

func (w *world) interaction(k int64) *hook.Interaction {
	i := &hook.Interaction{
		Serial: hook.Serial(w.serial(startedOf(k), 0)), ID: w.interactionID(k), SessionID: w.sessionID(k), Media: interaction.MediaChat,
		Subtype: interaction.SubtypeInboundNew, State: hook.StateQueued, Queue: queueOf(k), CreatedAt: w.at(startedOf(k)),
	}
	if mix(k, mediaStream)%5 == 0 {
		i.Media = interaction.MediaEmail
	}
	return i
}

func queueOf(k int64) string {
	n := mix(k, queueStream)
	if n%rareQueuePart == 0 {
		return rareQueue
	}
	return "queue-" + string(rune('A'+n%queues%25)) + string(rune('a'+n%queues/25))
}

// A tableRows are the rows of a table and its columns.
type tableRows struct {
	table   string
	columns []string
	rows    iter.Seq[[]any]
}

// tables are all that is in the world, in the shapes that the store writes.
func (w *world) tables() []tableRows {
	return []tableRows{
		{"interactions", []string{
			"center", "serial", "id", "session_id", "media", "subtype", "state", "queue", "created_at", "submitted_at", "started_event",
			"stopped_at", "stopped_by", "finished_event",
		}, w.interactionRows},
		{"events", []string{"center", "serial", "interaction", "kind", "operation_id", "occurred_at", "payload"}, w.eventRows},
		{"deliveries", []string{
			"center", "event", "webhook", "state", "due_at", "lease", "waits_for", "followed", "attempts", "base",
		}, w.deliveryRows},
		{"attempts", []string{
			"center", "event", "webhook", "number", "started_at", "duration_us", "status", "failure", "error", "response",
		}, w.attemptRows},
		{"activity", []string{
			"center", "webhook", "at", "process", "accepted", "acknowledged", "failed", "exhausted", "delays",
		}, w.activityRows},
		{"events", []string{"center", "serial", "interaction", "kind", "operation_id", "occurred_at", "payload"}, w.noticeRows},
		{"audit", []string{"center", "serial", "at", "actor", "action", "subject", "before", "after"}, w.auditRows},
	}
}

func (w *world) interactionRows(yield func([]any) bool) {
	for k := range w.events / 2 {
		i := w.interaction(k)
		media, state, stoppedAt, stoppedBy, finished := int64(1), int64(hook.StateQueued), int64(0), int64(0), int64(0)
		if i.Media == interaction.MediaEmail {
			media = 2
		}
		if n, ok := w.finished(k); ok {
			state, stoppedAt, stoppedBy, finished = int64(hook.StateStopped), w.at(n).UnixMilli(), 1, w.serial(n, 1)
		}
		created := i.CreatedAt.UnixMilli()
		if !yield([]any{
			w.center, int64(i.Serial), i.ID.UUID, i.SessionID.UUID, media, int64(1), state, i.Queue, created, created, w.serial(startedOf(k), 1),
			stoppedAt, stoppedBy, finished,
		}) {
			return
		}
	}
}

func (w *world) eventRows(yield func([]any) bool) {
	for i := range w.events {
		k := interactionOf(i)
		if k < 0 {
			continue
		}
		kind, number := interaction.EventStarted, int64(1)
		if i%2 == 1 {
			kind, number = interaction.EventFinished, 2
		}
		of := w.interaction(k)
		operation := hook.OperationID{UUID: uuidOf(i, operationStream)}
		e := hook.NewEvent(kind, of, "default", hook.Serial(w.serial(i, 1)), operation, w.at(i), publicURL)
		if !yield([]any{w.center, int64(e.Serial), int64(of.Serial), number, operation.UUID, w.at(i).UnixMilli(), e.Payload}) {
			return
		}
	}
}
