package console

import (
	"strconv"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// deliveryView is a delivery as pages show it: its state, what that means, and what happens next.
type deliveryView struct {
	*store.Delivery
	To receiver
	// URL is the delivery's page, and WaitsURL that of the one it waits for, or nothing.
	URL, WaitsURL string
	// Word is the state, Class its colour, and Means what it is in a sentence.
	Word, Class, Means string
	// Next is what happens next, and NextAt when, or the zero time.
	Next   string
	NextAt time.Time
}

// delivery makes what is shown of a delivery.
func (c *call) delivery(d *store.Delivery) *deliveryView {
	v := &deliveryView{
		Delivery: d, URL: c.url("deliveries", d.ID.String()), Word: d.State.String(), Class: deliveryBadge(d.State, d.AttemptsMade > d.Base),
	}
	w, to := c.receiver(d)
	v.To = to
	if d.WaitsFor != nil {
		v.WaitsURL = c.url("deliveries", d.WaitsFor.String())
	}
	made := plural(d.AttemptsMade, "attempt")
	switch d.State {
	case hook.DeliveryDelivered:
		v.Means = "The receiver acknowledged it after " + made + "."
	case hook.DeliveryExhausted:
		v.Means, v.Next = "It was given up after "+made+": the retry schedule has no more.", "Nothing more happens by itself: mend the cause that its last attempt names, and replay it."
	case hook.DeliveryWaiting:
		v.Means, v.Next = "This FINISHED must not overtake the STARTED of its interaction.", "It goes out once the delivery of that STARTED is delivered or exhausted."
	case hook.DeliveryHeld:
		v.Means, v.Next, v.NextAt = held(w, c.now)
	case hook.DeliveryPending:
		v.pending(w, c.now)
	}
	return v
}

// pending says what happens to a pending delivery.
func (v *deliveryView) pending(w *hook.Webhook, now time.Time) {
	v.Means = "It is on its way to its first attempt."
	if tried := v.AttemptsMade - v.Base; tried > 0 {
		v.Means = "It has failed " + times(tried) + " and is tried again."
	} else if v.Base > 0 {
		v.Means = "It was replayed after " + plural(v.Base, "earlier attempt") + "."
	}
	switch {
	case v.NextAttemptAt.IsZero():
		v.Next = "It is being sent now."
	case w != nil && w.Locked():
		v.Next = "This server cannot open the webhook's secrets, because its master keyset lacks a key. A server that can sends it."
	case v.NextAttemptAt.After(now):
		v.Next, v.NextAt = "The next attempt goes out", v.NextAttemptAt
	default:
		v.Next = "It is due now, and goes out as soon as the webhook's concurrency and rate limit let it."
	}
}

// held says why a delivery is held back and until when.
func held(w *hook.Webhook, now time.Time) (means, next string, at time.Time) {
	switch {
	case w == nil:
		return "Its webhook sends nothing now.", "", at
	case w.Deleted():
		return "Its webhook was deleted.", "Nothing: it is not sent any more.", at
	case !w.Enabled && w.Disabled.For == hook.DisabledFailing:
		return "The server disabled its webhook on " + clock(w.Disabled.At) + ", because its receiver failed for so long.", "It is sent when somebody enables the webhook again.", at
	case !w.Enabled && w.Disabled.For == hook.DisabledGone:
		return "The server disabled its webhook on " + clock(w.Disabled.At) + ", because its receiver answered 410 Gone.", "It is sent when somebody enables the webhook again.", at
	case !w.Enabled:
		return "Its webhook is disabled.", "It is sent when somebody enables the webhook.", at
	case w.Circuit.Open():
		means = "The circuit of its webhook is open since " + clock(w.Circuit.Since) + ": the receiver failed too often, and is left alone but for single probes."
		next = "Everything that is held goes out once a probe succeeds. "
		if !w.Circuit.ProbeAt.After(now) {
			return means, next + "A probe is due now.", at
		}
		return means, next + "The next probe goes out", w.Circuit.ProbeAt
	default: // it was held when it was read
		return "Its webhook works again.", "It goes out now.", at
	}
}

// times is how often, in words.
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}

// plural is a number of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

// Resolved reports whether it is delivered or exhausted.
func (v *deliveryView) Resolved() bool {
	return v.State == hook.DeliveryDelivered || v.State == hook.DeliveryExhausted
}

// Last is its last attempt, or nil.
func (v *deliveryView) Last() *attemptView {
	if v.LastAttempt == nil {
		return nil
	}
	return &attemptView{Attempt: *v.LastAttempt}
}
