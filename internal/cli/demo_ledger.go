package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/receiver"
	"github.com/hookswitch/hookswitch/signature"
)

const (
	// latenciesMax bounds the latencies that are kept for the summary; later ones replace the oldest.
	latenciesMax = 100_000
	// demoEventsMax bounds the events that the receiver remembers.
	demoEventsMax = 100_000
)

// errOnPurpose is why the demo's receiver refuses an event now and then.
var errOnPurpose = errors.New("refused on purpose")

// demoCounts is the summary of a demo.
type demoCounts struct {
	// Accepted are the events whose request the server answered with 2xx, as the contact centre counted them.
	Accepted int `json:"accepted"`
	// Acknowledged are the distinct events of these that the receiver handled.
	Acknowledged      int          `json:"acknowledged"`
	Retried           int          `json:"retried"`
	OutOfOrder        int          `json:"outOfOrder"`
	Duplicates        int          `json:"duplicates"`
	SignatureFailures int          `json:"signatureFailures"`
	Others            int          `json:"others"`
	Server            serverCounts `json:"server"`
	// P50 and P99 are from the request to its webhook's arrival, in milliseconds: first attempts alone, without the FINISHED
	// of a STARTED that was refused, which may have had to wait for it.
	P50    float64  `json:"p50Milliseconds"`
	P99    float64  `json:"p99Milliseconds"`
	Errors []string `json:"errors"`
	Proven bool     `json:"proven"`
}

// serverCounts are the deliveries as the server counts them.
type serverCounts struct {
	Delivered int `json:"delivered"`
	Exhausted int `json:"exhausted"`
	Pending   int `json:"pending"`
}

// judge decides whether the counts prove that every event was acknowledged in order and verified, and says what does not.
func (c *demoCounts) judge() {
	wrong := func(broken bool, format string, args ...any) {
		if broken {
			c.Errors = append(c.Errors, fmt.Sprintf(format, args...))
		}
	}
	wrong(c.Accepted == 0, "no event was accepted at all")
	wrong(c.Acknowledged != c.Accepted, "%d events were accepted, but %d acknowledged", c.Accepted, c.Acknowledged)
	wrong(c.OutOfOrder > 0, "%d events came before their STARTED", c.OutOfOrder)
	wrong(c.SignatureFailures > 0, "%d signatures were wrong", c.SignatureFailures)
	wrong(c.Server.Exhausted > 0 || c.Server.Pending > 0, "the server has %d deliveries exhausted and %d pending", c.Server.Exhausted, c.Server.Pending)
	wrong(c.Server.Delivered != c.Acknowledged+c.Others, "the server counts %d deliveries, the receiver %d", c.Server.Delivered, c.Acknowledged+c.Others)
	c.Proven = len(c.Errors) == 0
}

// ledger is what the contact centre and the receiver count. They share it as two people share a sheet of paper: the
// server under test writes nothing into it.
type ledger struct {
	app     *app
	options demoOptions
	colours palette

	mu        sync.Mutex // guards all below
	total     demoCounts
	open      map[eventKey]*booking
	events    int // distinct events that the receiver has seen
	seen      *memory
	latencies []time.Duration
	samples   int
	changed   chan struct{} // closed and replaced at each change
}

// booking is an event between its request and the day that it is both accepted and acknowledged.
type booking struct {
	at                     time.Time
	accepted, acknowledged bool
}

func newLedger(a *app, o demoOptions) *ledger {
	return &ledger{
		app: a, options: o, colours: a.palette(a.StdoutTerminal), open: map[eventKey]*booking{}, seen: newMemory(demoEventsMax),
		changed: make(chan struct{}), total: demoCounts{Errors: []string{}},
	}
}

// expect books an event whose request is about to be made.
func (l *ledger) expect(k eventKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[k] = &booking{at: time.Now()}
}

// answered notes what became of the request.
func (l *ledger) answered(k eventKey, accepted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.open[k]
	if !accepted { // the demo fails for it; whether the event exists is unknown
		delete(l.open, k)
		return
	}
	l.total.Accepted++
	b.accepted = true
	l.settle(k, b)
}

// settle forgets a booking that is complete.
func (l *ledger) settle(k eventKey, b *booking) {
	if b.accepted && b.acknowledged {
		delete(l.open, k)
		close(l.changed)
		l.changed = make(chan struct{})
	}
}

// left returns how many events are not acknowledged yet, and a channel that is closed when that changes.
func (l *ledger) left() (int, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open), l.changed
}

// counts returns the summary so far.
func (l *ledger) counts() demoCounts {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.total
	if len(l.latencies) > 0 {
		sorted := slices.Sorted(slices.Values(l.latencies))
		milliseconds := func(share float64) float64 {
			return float64(sorted[int(share*float64(len(sorted)-1))].Microseconds()) / 1000
		}
		c.P50, c.P99 = milliseconds(0.5), milliseconds(0.99)
	}
	return c
}

// receiver makes the third party's handler.
func (l *ledger) receiver(secret string) (http.Handler, error) {
	h, err := receiver.New(receiver.Config{
		Secrets: [][]byte{[]byte(secret)}, Handle: l.handle, Seen: &countingSeen{Memory: receiver.NewMemory(demoEventsMax), ledger: l},
		OnReject: func(_ *http.Request, err error) {
			if _, wrong := errors.AsType[*signature.Error](err); wrong {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.total.SignatureFailures++
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("make the receiver: %w", err)
	}
	return h, nil
}

// countingSeen counts the duplicates that the receiver drops.
type countingSeen struct {
	*receiver.Memory
	ledger *ledger
}

// Begin finds out the state of an event, and counts a duplicate.
func (s *countingSeen) Begin(ctx context.Context, key receiver.Key) (receiver.State, error) {
	state, err := s.Memory.Begin(ctx, key)
	if err == nil && state == receiver.Handled {
		s.ledger.mu.Lock()
		defer s.ledger.mu.Unlock()
		s.ledger.total.Duplicates++
	}
	return state, err //nolint:wrapcheck // the handler knows its errors
}

// handle is the third party's function: it refuses every seventh event at its first attempt and handles the others.
func (l *ledger) handle(_ context.Context, e interaction.EntityEvent, d receiver.Delivery) error {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	k := keyOf(e)
	try := l.seen.try(k)
	if try == 1 {
		l.events++
		if l.events%demoRefuseEvery == 0 {
			l.print(e, d, now, 0, false)
			return errOnPurpose
		}
	}
	if e.Event == interaction.EventFinished && !l.seen.acknowledged(eventKey{id: k.id, event: interaction.EventStarted}) {
		l.total.OutOfOrder++
	}
	l.seen.acknowledge(k)
	b, ours := l.open[k]
	if !ours {
		l.total.Others++ // somebody else uses the server of the demo, which is what its URL is printed for
		l.print(e, d, now, 0, true)
		return nil
	}
	took := now.Sub(b.at)
	l.total.Acknowledged++
	if try > 1 {
		l.total.Retried++
	} else if e.Event == interaction.EventStarted || l.seen.tries(eventKey{id: k.id, event: interaction.EventStarted}) == 1 {
		l.sample(took) // one that may have waited for its refused STARTED tells nothing about the way here
	}
	l.print(e, d, now, took, true)
	b.acknowledged = true
	l.settle(k, b)
	return nil
}

func (l *ledger) sample(took time.Duration) {
	if len(l.latencies) < latenciesMax {
		l.latencies = append(l.latencies, took)
	} else {
		l.latencies[l.samples%latenciesMax] = took
	}
	l.samples++
}

// demoLine is one webhook as --json prints it.
type demoLine struct {
	Time          time.Time             `json:"time"`
	Event         interaction.Event     `json:"event"`
	MediaType     interaction.MediaType `json:"mediaType"`
	Subtype       interaction.Subtype   `json:"subtype"`
	InteractionID string                `json:"interactionId"`
	Attempt       int                   `json:"attempt"`
	TraceID       string                `json:"traceId"`
	Acknowledged  bool                  `json:"acknowledged"`
	Milliseconds  float64               `json:"milliseconds,omitempty"`
}

// print shows one webhook. That it cannot be shown is no reason for a receiver to refuse it: the summary will fail to be
// printed too, and that ends the demo with an error.
func (l *ledger) print(e interaction.EntityEvent, d receiver.Delivery, at time.Time, took time.Duration, acknowledged bool) {
	line := demoLine{
		Time: at, Event: e.Event, MediaType: e.Entity.MediaType, Subtype: e.Entity.Subtype, InteractionID: e.Entity.ID,
		Attempt: d.Attempt, TraceID: d.TraceID, Acknowledged: acknowledged, Milliseconds: float64(took.Microseconds()) / 1000,
	}
	switch {
	case l.options.quiet:
	case l.options.json:
		text, err := json.Marshal(line)
		if err == nil { // a struct of texts and numbers always encodes
			_ = l.app.print(string(text) + "\n") // see above
		}
	default:
		_ = l.app.print(line.text(l.colours)) // see above
	}
}

func (d *demoLine) text(p palette) string {
	kind := fmt.Sprintf("%-5s %-15s", d.MediaType, d.Subtype)
	event := fmt.Sprintf("%-8s", d.Event)
	outcome := p.paint(green, "acknowledged")
	if d.Event == interaction.EventStarted {
		event = p.paint(cyan, event)
	} else {
		event = p.paint(bold, event)
	}
	switch {
	case !d.Acknowledged:
		outcome = p.paint(yellow, "refused on purpose, will be redelivered")
	case d.Attempt > 1:
		outcome += p.paint(yellow, fmt.Sprintf(" at attempt %d", d.Attempt))
	}
	text := fmt.Sprintf("%s  %s  %s  %s  %s", p.paint(dim, d.Time.Format("15:04:05.000")), event, kind, d.InteractionID, outcome)
	if d.Milliseconds > 0 && d.Attempt == 1 {
		text += p.paint(dim, fmt.Sprintf("  %.1f ms", d.Milliseconds))
	}
	return text + "\n"
}

// printSummary prints the end of a demo.
func (d *demo) printSummary(c demoCounts) error {
	if d.options.json {
		text, err := json.Marshal(struct {
			Summary demoCounts `json:"summary"`
		}{c})
		if err != nil {
			return fmt.Errorf("encode summary: %w", err)
		}
		return d.app.print(string(text) + "\n")
	}
	var b strings.Builder
	p := d.app.palette(d.app.StdoutTerminal)
	fmt.Fprintf(&b, "\naccepted            %6d events\nacknowledged        %6d\nretried             %6d\nout of order        %6d\n"+
		"duplicates          %6d\nsignature failures  %6d\n", c.Accepted, c.Acknowledged, c.Retried, c.OutOfOrder, c.Duplicates, c.SignatureFailures)
	fmt.Fprintf(&b, "by the server       %6d delivered, %d pending, %d exhausted\n", c.Server.Delivered, c.Server.Pending, c.Server.Exhausted)
	fmt.Fprintf(&b, "request to arrival  %6.1f ms (p50), %.1f ms (p99), first attempts that waited for no refused STARTED\n\n", c.P50, c.P99)
	if c.Proven {
		b.WriteString(p.paint(green, "Every event was acknowledged, in order and verified.") + "\n")
	}
	for _, message := range c.Errors {
		b.WriteString(p.paint(red, clean(message)) + "\n")
	}
	return d.app.print(b.String())
}
