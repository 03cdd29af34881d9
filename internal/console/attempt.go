package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// Requester makes the headers of a stored attempt again; the delivery engine is one.
type Requester interface {
	// Request returns the headers that an attempt of one event to a webhook had, as far as they can be known now. Those that are the
	// webhook's own have three stars for values. A webhook whose secrets cannot be opened is [hook.ErrLocked].
	Request(w *hook.Webhook, e *hook.Event, number int, began time.Time) (http.Header, error)
}

// attemptView is one attempt as it is shown, with the request that it was.
type attemptView struct {
	hook.Attempt
	// Anchor is the attempt's own on its page.
	Anchor string
	// Event is what it carried, and To the webhook that it went to.
	Event   interaction.Event
	To      receiver
	Request *requestView
	// Explained is whether a newer attempt of the same delivery failed in the same way, so that the cause is told there.
	Explained bool
}

// requestView is the request of an attempt.
type requestView struct {
	Headers []headerLine
	// Body is the exact body; empty where it is not known any more.
	Body string
	Curl repetition
	// Notes say in which way the request may have been another one.
	Notes []string
}

// headerLine is one header.
type headerLine struct{ Name, Value string }

// receiver is a webhook as other pages name it.
type receiver struct {
	ID hook.WebhookID
	// Name is what a person calls it.
	Name string
	// URL is its page; empty for those who may not see it, or where it is gone.
	URL string
}

// Outcome is what came of it in a few words.
func (a *attemptView) Outcome() string { return outcome(&a.Attempt) }

// Class is the colour of the outcome.
func (a *attemptView) Class() string {
	if a.Acknowledged() {
		return badgeGood
	}
	return badgeBad
}

// Cause explains a failure.
func (a *attemptView) Cause() cause { return causeOf(a.Failure, a.Status) }

// Took is how long it took.
func (a *attemptView) Took() string { return took(a.Duration) }

// Text is the beginning of the response as it can be shown.
func (a *attemptView) Text() string { return printable(a.Response) }

// Problem is the error as it can be shown.
func (a *attemptView) Problem() string { return printable([]byte(a.Error)) }

// Cut reports whether the response is as long as what is kept, so that there may have been more of it.
func (a *attemptView) Cut() bool { return len(a.Response) >= hook.ResponseBytesMax }

// Batch reports whether the POST carried other events, too.
func (a *attemptView) Batch() bool { return a.Events > 1 }

// Precise is a time to the millisecond, in which attempts differ.
func (a *attemptView) Precise() string { return precise(a.StartedAt) }

// precise is a time to the millisecond.
func precise(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }

// segment is one part of an attempt's time, in a drawing that is segmentsWidth wide.
type segment struct {
	Name, Class string
	At          float64
	Width       float64
	Took        string
}

const (
	segmentsWidth = 1_000
	// segmentLeast is how wide a part is at least, so that it is seen.
	segmentLeast = 4
)

// Segments are the parts of the attempt's time, one after the other; none where it is not known what it was spent on. What no part says, such
// as the look-up of a token, is in the waiting.
func (a *attemptView) Segments() []segment {
	t := a.Timing
	if t == (hook.Timing{}) {
		return nil
	}
	made := t.DNS + t.Connect + t.TLS
	wait, read := max(a.Duration-made, 0), time.Duration(0)
	if t.FirstByte > 0 {
		wait, read = max(t.FirstByte-made, 0), max(a.Duration-t.FirstByte, 0)
	}
	rest := "waiting"
	if t.FirstByte == 0 && a.Failure != hook.FailureTimeout { // nothing was waited for: the connection was not made, or broke
		rest = "the rest"
	}
	var list []segment
	at, all := 0.0, float64(max(made+wait+read, 1))
	for _, part := range [...]struct {
		name, class string
		took        time.Duration
	}{{"DNS", "dns", t.DNS}, {"connect", "connect", t.Connect}, {"TLS", "tls", t.TLS}, {rest, "wait", wait}, {"reading", "read", read}} {
		if part.took <= 0 {
			continue
		}
		width := float64(part.took) / all * segmentsWidth
		list = append(list, segment{part.name, part.class, min(at, segmentsWidth-segmentLeast), max(width, segmentLeast), took(part.took)})
		at += width
	}
	return list
}

// Drawing says in words what the drawing shows.
func (a *attemptView) Drawing() string {
	var b strings.Builder
	for _, s := range a.Segments() {
		fmt.Fprintf(&b, "%s %s, ", s.Name, s.Took)
	}
	return "Where the time went: " + b.String() + a.Took() + " in all"
}

// First is how long after its beginning the first byte of the answer came; empty where none did.
func (a *attemptView) First() string {
	if a.Timing.FirstByte == 0 {
		return ""
	}
	return took(a.Timing.FirstByte)
}

// attempts shows attempts of a delivery, newest first and at most so many. The event is nil where it is gone.
func (c *call) attempts(d *store.Delivery, e *hook.Event, most int) (list []*attemptView, err error) {
	w, to := c.receiver(d)
	for i := len(d.Attempts) - 1; i >= 0 && len(list) < most; i-- {
		v := &attemptView{Attempt: d.Attempts[i], Event: d.Event, To: to, Anchor: d.ID.String() + "-" + strconv.Itoa(d.Attempts[i].Number)}
		if v.Request, err = c.request(w, e, &v.Attempt); err != nil {
			return nil, err
		}
		c.fit(v)
		v.Explained = slices.ContainsFunc(list, func(o *attemptView) bool { return o.Failure == v.Failure && o.Status == v.Status })
		list = append(list, v)
	}
	return list, nil
}

// receiver returns the webhook of a delivery, nil where it is not known, and what it is called.
func (c *call) receiver(d *store.Delivery) (*hook.Webhook, receiver) {
	r := receiver{ID: d.Webhook, Name: "webhook " + d.Webhook.String()}
	_, number, _ := d.ID.Keys()
	w, ok := c.server.options.Store.WebhookByNumber(number)
	if !ok || w.ContactCenter != c.center.Number {
		return nil, r
	}
	if c.by.May(hook.PermitWebhooks) {
		r.Name = shorten(w.Settings.Description)
		if r.Name == "" {
			shown := w.Settings.Redacted(nil)
			r.Name = shorten(shown.URL)
		}
		r.Name = shortName(r.Name)
		if !w.Deleted() {
			r.URL = c.url("webhooks", w.ID.String())
		}
	}
	return w, r
}

// request makes the request of an attempt again, as far as it is known and may be seen.
func (c *call) request(w *hook.Webhook, e *hook.Event, a *hook.Attempt) (*requestView, error) {
	v := new(requestView)
	note := func(text string) { v.Notes = append(v.Notes, text) }
	if w == nil || e == nil || c.server.options.Requests == nil {
		note("The request is not known any more.")
		return v, nil
	}
	if strings.HasPrefix(w.Settings.URL, "mailto:") {
		note("It went out as an e-mail.")
		return v, nil
	}
	header, err := c.server.options.Requests.Request(w, e, a.Number, a.StartedAt)
	if errors.Is(err, hook.ErrLocked) {
		note("This server cannot open the webhook's secrets, so that it cannot make its headers again: its master keyset lacks a key.")
		return v, nil
	} else if err != nil {
		return nil, fmt.Errorf("make the request of an attempt again: %w", err)
	}
	all := c.by.May(hook.PermitWebhooks)
	for _, name := range headerNames(header) {
		if !all && header.Get(name) == concealed {
			delete(header, name)
			continue
		}
		for _, value := range header[name] {
			v.Headers = append(v.Headers, headerLine{name, value})
		}
	}
	if !all {
		note("The webhook's own headers and its URL take the permission webhooks.")
	}
	if w.UpdatedAt.After(a.StartedAt) {
		note("The webhook was changed on " + clock(w.UpdatedAt) + ", after this attempt: what is shown is what its present settings and secrets make. Where a secret was rotated since, the signatures were others.")
	}
	if a.Events > 1 {
		note("The POST carried " + strconv.Itoa(a.Events) + " events, this one among them: its body held them all, its operation id and signatures were those of the whole. What is shown is the POST of this event alone.")
	}
	if len(e.Payload) == 0 {
		note("The body was removed by the contact centre's retention of payloads, so that neither the signatures nor the command that repeats it can be made again.")
		return v, nil
	}
	if c.conceals(e) {
		note("The body and the command that repeats it take the permission to read what they tell of: the interaction, or the notice.")
		return v, nil
	}
	v.Body = string(e.Payload)
	v.Curl = curlOf(w, header, e.Payload, all)
	return v, nil
}

// payloadView is the body that carries one event alone.
type payloadView struct {
	// Exact is what is sent, byte for byte; empty where it was removed. Pretty is the same for people.
	Exact, Pretty string
	Bytes         int
}

func newPayload(e *hook.Event) payloadView {
	v := payloadView{Exact: string(e.Payload), Bytes: len(e.Payload)}
	var b bytes.Buffer
	if len(e.Payload) > 0 && json.Indent(&b, e.Payload, "", "  ") == nil {
		v.Pretty = b.String()
	}
	return v
}

// printable shows a receiver's bytes: what is no text, or would change how the page is read, is a sign that says so. In a text, the
// characters that turn its direction are among them.
func printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case r == '\r':
			return -1
		case r < ' ':
			return '\u2400' + r // the control pictures
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return unicode.ReplacementChar
		default:
			return r
		}
	}, strings.ToValidUTF8(string(b), string(unicode.ReplacementChar)))
}
