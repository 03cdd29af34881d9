package hook

import "time"

// The bounds of [Disable.After].
const (
	DisableAfterMin = Duration(time.Minute)     // DisableAfterMin is the shortest failing time that disables a webhook.
	DisableAfterMax = Duration(720 * time.Hour) // DisableAfterMax is the longest one.
)

func (c *checker) disable(prefix string, d Disable) {
	if d.After != 0 {
		c.duration(prefix+"after", d.After, DisableAfterMin, DisableAfterMax)
	}
}

// String returns the reason's name as the API and the log write it; one that is not the server's has none.
func (f DisabledFor) String() string {
	switch f {
	case DisabledFailing:
		return "failing"
	case DisabledGone:
		return "gone"
	default:
		return ""
	}
}

// SetEnabled enables or disables the webhook by hand. Enabling closes its circuit and forgets that the server had disabled it, also
// when it was enabled: somebody wants the receiver to be tried.
func (w *Webhook) SetEnabled(enabled bool) {
	w.Enabled = enabled
	if enabled {
		w.Circuit, w.Disabled = Circuit{}, Disabled{}
	}
}

// DisableAt returns when the server disables the webhook if its circuit stays open; the zero time is never.
func (w *Webhook) DisableAt() time.Time {
	if !w.Enabled || w.Deleted() || !w.Circuit.Open() || w.Settings.Disable.After == 0 {
		return time.Time{}
	}
	return w.Circuit.Since.Add(time.Duration(w.Settings.Disable.After))
}

// DisableFailing disables the webhook if it has failed for so long that its settings say so, and reports whether it did. Asked again
// about what is stored, it says whether the webhook still fails: one that has worked since has another circuit.
func (w *Webhook) DisableFailing(now time.Time) bool {
	at := w.DisableAt()
	if at.IsZero() || now.Before(at) {
		return false
	}
	w.disable(now, DisabledFailing)
	return true
}

// DisableGone disables the webhook if its settings say so of a receiver that answered 410 Gone, and reports whether it did. sent is
// the webhook as the attempt was made: an answer says nothing about one that was changed, or enabled, since.
func (w *Webhook) DisableGone(sent *Webhook, now time.Time) bool {
	if !w.Enabled || w.Deleted() || !w.Settings.Disable.OnGone || !w.UpdatedAt.Equal(sent.UpdatedAt) || w.Settings.URL != sent.Settings.URL {
		return false
	}
	w.disable(now, DisabledGone)
	return true
}

func (w *Webhook) disable(now time.Time, reason DisabledFor) {
	w.Enabled, w.Disabled = false, Disabled{At: circuitTime(now), For: reason}
}
