package delivery

import (
	"context"
	"net/http"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// gone disables the webhook if it was answered 410 Gone and its settings say so. The attempt has failed like any other, and its
// delivery is due again. Should the process die before this is committed, or the store not answer, the next attempt is answered
// the same. The worker waits for the commit, and so holds up nobody but its own webhook (I4).
func (l *lane) gone(sent *hook.Webhook, a *hook.Answer) {
	disabler := l.engine.options.Disabler
	if a.Status != http.StatusGone || a.Failure != hook.FailureNone || !sent.Settings.Disable.OnGone || disabler == nil {
		return
	}
	if !l.disabling(true) {
		return
	}
	defer l.disabling(false)
	if err := disabler.DisableGone(context.WithoutCancel(l.engine.sending), time.Now(), sent); err != nil {
		l.engine.options.Log.Warn("disabling a webhook whose receiver is gone failed; it will be tried again at the next 410",
			"webhook", sent.ID.String(), "error", err)
	}
}

// disabling notes that a worker begins to disable the webhook, or has ended, and reports whether that is news: the others leave it
// to that one.
func (l *lane) disabling(begins bool) (news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	news = l.breaker.disabling != begins
	l.breaker.disabling = begins
	return news
}
