package console

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// lateAfter is for how long a delivery may be due before somebody should know: it is sent within milliseconds where nothing is wrong.
const lateAfter = 5 * time.Second

// trouble is how a webhook that needs somebody is shown. The order of the values is the order in which they come.
type trouble uint8

const (
	noTrouble trouble = iota
	// troubleFails is a webhook to which nothing is sent until something is done or its receiver works again.
	troubleFails
	// troubleGivenUp is one with deliveries that are not tried any more.
	troubleGivenUp
	// troubleLate is one whose receiver takes less than comes in.
	troubleLate
	// troubleHeld is one that somebody has disabled while deliveries are held for it.
	troubleHeld
)

// failing is a webhook that needs somebody.
type failing struct {
	Webhook *hook.Webhook
	Trouble trouble
	// State is a word for what is wrong, and Why the sentence.
	State, Why string
	// Since is when it began, where that is known.
	Since time.Time
	Open  store.OpenDeliveries
}

// Class is the colour.
func (f *failing) Class() string {
	if f.Trouble <= troubleGivenUp {
		return badgeBad
	}
	return badgeWarn
}

// Name is what people know the webhook by.
func (f *failing) Name() string { return nameOfWebhook(f.Webhook) }

// nameOfWebhook is what people know a webhook by: its description, or its URL without the query, which may hold a secret.
func nameOfWebhook(w *hook.Webhook) string {
	if w.Settings.Description != "" {
		return shorten(w.Settings.Description)
	}
	before, _, _ := strings.Cut(w.Settings.URL, "?")
	return shorten(before)
}

// failingWebhooks are the webhooks that need somebody, the worst first.
func failingWebhooks(all []*hook.Webhook, open map[hook.WebhookNumber]store.OpenDeliveries, now time.Time) (list []failing) {
	for _, w := range all {
		f := failing{Webhook: w, Open: open[w.Number]}
		if f.look(now); f.Trouble != noTrouble {
			list = append(list, f)
		}
	}
	slices.SortStableFunc(list, func(a, b failing) int {
		return cmp.Or(cmp.Compare(a.Trouble, b.Trouble), a.Since.Compare(b.Since), cmp.Compare(b.Open.Exhausted, a.Open.Exhausted))
	})
	return list
}

// look finds what is wrong with a webhook, the worst of it.
func (f *failing) look(now time.Time) {
	w := f.Webhook
	set := func(t trouble, state, why string, since time.Time) {
		f.Trouble, f.State, f.Why, f.Since = t, state, why, since
	}
	switch {
	case !w.Enabled && w.Disabled.For == hook.DisabledGone:
		set(troubleFails, "disabled by the server", "Its receiver answered 410 Gone. Enable it when the receiver is back.", w.Disabled.At)
	case !w.Enabled && w.Disabled.For == hook.DisabledFailing:
		set(troubleFails, "disabled by the server", "Its receiver failed for too long. Enable it when the receiver works.", w.Disabled.At)
	case w.Locked():
		set(troubleFails, "locked", "The master keyset of this server does not open its secrets, so that nothing can be signed.", time.Time{})
	case w.Enabled && w.Circuit.Open():
		why := "Its receiver fails; a probe is sent from time to time."
		if at := w.DisableAt(); !at.IsZero() {
			why += " The server disables it at " + clock(at) + "."
		}
		set(troubleFails, "circuit open", why, w.Circuit.Since)
	case f.Open.Exhausted > 0:
		set(troubleGivenUp, "exhausted", "Deliveries have used up their attempts, and are not tried any more. Replay them when the receiver works.", time.Time{})
	case w.Enabled && !f.Open.OldestDue.IsZero() && now.Sub(f.Open.OldestDue) > lateAfter:
		set(troubleLate, "late", "It gets more than its receiver, its rate limit or its concurrency lets through.", f.Open.OldestDue)
	case !w.Enabled && f.Open.Held > 0:
		set(troubleHeld, "disabled by hand", "Somebody has disabled it, and its deliveries are held.", f.Open.OldestHeld)
	}
}

// situation is what a verdict is about.
type situation struct {
	now time.Time
	// receivers is how many webhooks get the events of interactions, and failing those of all that need somebody.
	receivers int
	failing   []failing
	backlog   store.Backlog
	// accepted is whether anything was ever accepted, as far as it is kept.
	accepted bool
	// failed is how many attempts failed in the span that the page shows, which spanWords names.
	failed    int64
	spanWords string
	// retried is whether there are deliveries that failed and are tried again, where none was pending when they were counted last.
	retried bool
	// named is whether the webhooks may be named.
	named bool
}

// verdict is the answer to: is everything delivered?
type verdict struct {
	// Class is the colour: good, warn, bad or info.
	Class string
	// Text is the answer in one sentence, and More what else is to be said.
	Text, More string
}

// judge answers: is everything delivered? The worst of what is so is the answer.
func judge(s *situation) verdict {
	open := &s.backlog.Whole
	fails := slices.DeleteFunc(slices.Clone(s.failing), func(f failing) bool { return f.Trouble != troubleFails })
	late := time.Duration(0)
	if !open.OldestDue.IsZero() {
		late = s.now.Sub(open.OldestDue)
	}
	switch {
	case len(fails) > 0:
		return verdict{badgeBad, s.failingText(fails), s.openText()}
	case open.Exhausted > 0:
		return verdict{badgeBad, "No: " + deliveries(open.Exhausted) + " " + wereOf(open.Exhausted) + " given up, after the last of " + itsOf(open.Exhausted) + " attempts.", s.openText()}
	case late > lateAfter:
		return verdict{badgeWarn, "Not yet: deliveries are late, by up to " + span(late) + ".", s.openText()}
	case open.Held > 0:
		return verdict{badgeWarn, "Not yet: " + deliveries(open.Held) + " " + areOf(open.Held) + " held, because somebody has disabled the webhook.", s.openText()}
	case !s.accepted:
		return verdict{badgeInfo, "Nothing was accepted yet.", ""}
	case s.receivers == 0:
		return verdict{badgeWarn, "Nobody is told: there is no webhook for the events of interactions.", ""}
	case s.backlog.CountedAt.IsZero():
		return verdict{badgeInfo, "What waits is being counted…", "No webhook fails."}
	case open.Pending > 0 && s.failed > 0:
		return verdict{
			badgeWarn, "Almost: " + deliveries(open.Pending) + " " + areOf(open.Pending) + " on the way or wait for another attempt.",
			count(s.failed) + " attempts failed in the last " + s.spanWords + ".",
		}
	case s.retried: // since they were counted
		return verdict{badgeWarn, "Almost: deliveries wait for another attempt.", count(s.failed) + " attempts failed in the last " + s.spanWords + "."}
	case open.Pending > 0:
		return verdict{badgeGood, "Everything is delivered in time.", deliveries(open.Pending) + " " + areOf(open.Pending) + " on the way."}
	default:
		return verdict{badgeGood, "Everything is delivered.", ""}
	}
}

// failingText names the webhook that fails, or says how many do.
func (s *situation) failingText(fails []failing) string {
	since := time.Time{}
	for i := range fails {
		if at := fails[i].Since; !at.IsZero() && (since.IsZero() || at.Before(since)) {
			since = at
		}
	}
	begun := ""
	if !since.IsZero() {
		begun = " since " + clock(since) + " (" + span(max(s.now.Sub(since), 0)) + ")"
	}
	if len(fails) > 1 {
		if begun != "" {
			begun = ", the first one" + begun
		}
		return fmt.Sprintf("No: %d webhooks fail%s.", len(fails), begun)
	}
	name := "a webhook"
	if s.named {
		name = "the webhook " + fails[0].Name()
	}
	return "No: " + name + " fails" + begun + "."
}

// openText says how much is open.
func (s *situation) openText() string {
	if s.backlog.CountedAt.IsZero() {
		return "What waits is being counted…"
	}
	var parts []string
	for _, p := range [...]struct {
		n    int64
		word string
	}{{s.backlog.Whole.Exhausted, "exhausted"}, {s.backlog.Whole.Held, "held"}, {s.backlog.Whole.Pending, "pending"}} {
		if p.n > 0 {
			parts = append(parts, count(p.n)+" "+p.word)
		}
	}
	if len(parts) == 0 {
		return "Nothing waits."
	}
	return "Deliveries: " + strings.Join(parts, ", ") + "."
}

// deliveries counts deliveries.
func deliveries(n int64) string {
	return nounOf(n, "delivery", "deliveries")
}

func wereOf(n int64) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

func areOf(n int64) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func itsOf(n int64) string {
	if n == 1 {
		return "its"
	}
	return "their"
}
