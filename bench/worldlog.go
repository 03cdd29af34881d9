package main

import (
	"github.com/hookswitch/hookswitch/internal/hook"
)

// wants reports whether the i-th event was sent to a webhook.
func (w *world) wants(i int64, h int) bool {
	is := worldHooks()[h]
	return i*1000 >= is.from*w.events && chance(i, hookStream+int64(h), is.part)
}

// A fate is what became of a delivery.
type fate int

const (
	deliveredFate fate = iota
	delayedFate        // delivered by the second attempt
	exhaustedFate
	openFate
)

// fate says what became of the i-th event's delivery to a webhook that wants it, and how many attempts were made.
func (w *world) fate(i int64, h int) (fate, int64) {
	switch is := worldHooks()[h]; {
	case is.kind == deadHook || is.kind == disabledHook:
		if is.kind == deadHook && mix(i, triedStream)%10 == 0 {
			return openFate, int64(1 + mix(i, triedStream)/10%3)
		}
		return openFate, 0
	case is.kind == outageHook && i*1000 >= outageFrom*w.events && i*1000 < outageUntil*w.events:
		return exhaustedFate, exhaustedAttempts
	case h == 0 && chance(i, exhaustedStream+hookStream*int64(1+h), exhaustedMillionths):
		return exhaustedFate, exhaustedAttempts
	case chance(i, failedStream+hookStream*int64(1+h), failedShare*1000):
		return delayedFate, 2
	default:
		return deliveredFate, 1
	}
}

// each calls f for each delivery, in the order of their keys.
func (w *world) each(f func(i int64, h int) bool) {
	for i := range w.events {
		if interactionOf(i) < 0 {
			continue
		}
		for h := range worldHooks() {
			if w.wants(i, h) && !f(i, h) {
				return
			}
		}
	}
}

func (w *world) deliveryRows(yield func([]any) bool) {
	due := w.end.Add(worldHold).UnixMilli()
	w.each(func(i int64, h int) bool {
		fate, attempts := w.fate(i, h)
		switch fate {
		case exhaustedFate:
			return yield([]any{w.center, w.serial(i, 1), w.hooks[h], int64(3), int64(0), int64(0), int64(0), int64(0), attempts, int64(0)})
		case openFate:
			state, dueAt, waitsFor, followed := int64(hook.DeliveryPending), due, int64(0), int64(0)
			k := interactionOf(i)
			if s := startedOf(k); i%2 == 1 && w.wants(s, h) { // a FINISHED waits for its STARTED, and is not tried before
				state, dueAt, waitsFor, attempts = int64(hook.DeliveryWaiting), 0, w.serial(s, 1), 0
			}
			if n, ok := w.finished(k); ok && i%2 == 0 && w.wants(n, h) {
				followed = 1
			}
			return yield([]any{w.center, w.serial(i, 1), w.hooks[h], state, dueAt, int64(0), waitsFor, followed, attempts, int64(0)})
		case deliveredFate, delayedFate:
		}
		return true
	})
}

func (w *world) attemptRows(yield func([]any) bool) {
	w.each(func(i int64, h int) bool {
		fate, attempts := w.fate(i, h)
		if s := startedOf(interactionOf(i)); fate == openFate && i%2 == 1 && w.wants(s, h) {
			return true // it waits
		}
		for number := int64(1); number <= attempts; number++ {
			a := acknowledgedAttempt()
			if number < attempts || fate == exhaustedFate || fate == openFate {
				a = failedAttempt(mix(i, classStream+hookStream*int64(1+h)+1000*number))
			}
			at := w.at(i).UnixMilli() + (number-1)*5_000
			if !yield([]any{w.center, w.serial(i, 1), w.hooks[h], number, at, int64(12_345), a.status, int64(a.failure), a.text, []byte(a.response)}) {
				return false
			}
		}
		return true
	})
}

type worldAttempt struct {
	status         int64
	failure        hook.Failure
	text, response string
}

func acknowledgedAttempt() worldAttempt {
	return worldAttempt{status: 200, response: `{"status":{"code":"SUCCESS"},"message":"accepted"}`}
}

// failedAttempt is one of all classes and many statuses; n looks random.
func failedAttempt(n uint64) worldAttempt {
	statuses := []int64{500, 503, 502, 504, 429, 503, 500, 503, 401, 404, 403, 400, 418}
	failed := func(f hook.Failure, text string) worldAttempt { return worldAttempt{failure: f, text: text} }
	switch p := n % 10_000; {
	case p < 5_000:
		return worldAttempt{statuses[n/10_000%uint64(len(statuses))], hook.FailureStatus, "the receiver answered another status", "<html><body>Bad Gateway</body></html>"}
	case p < 7_500:
		return failed(hook.FailureTimeout, "no complete response within 10s")
	case p < 9_000:
		return failed(hook.FailureRefused, "connection refused")
	case p < 9_600:
		return failed(hook.FailureBroken, "the connection broke")
	case p < 9_800:
		return worldAttempt{302, hook.FailureRedirect, "the receiver redirects", ""}
	case p < 9_900:
		return failed(hook.FailureDNS, "no such host")
	case p < 9_980:
		return failed(hook.FailureTLS, "the certificate has expired")
	case p < 9_998:
		return failed(hook.FailureBlocked, "the address is not allowed")
	default:
		return failed(hook.FailureRequest, "the response is not HTTP")
	}
}
