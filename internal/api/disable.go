package api

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// Failing are the settings about a receiver that fails, as they are shown.
type Failing struct {
	CircuitBreaker CircuitBreaker `json:"circuitBreaker" doc:"When the circuit opens, and deliveries are held back."`
	Disable        Disable        `json:"disable" doc:"When the server disables the webhook."`
}

// Disable says when the server disables a webhook, as it is shown.
type Disable struct {
	After  duration `json:"after,omitempty" doc:"Absent: never."`
	OnGone bool     `json:"onGone"`
}

func showFailing(s *hook.Settings) Failing {
	f := Failing{CircuitBreaker: showBreaker(s.Breaker), Disable: Disable{OnGone: s.Disable.OnGone}}
	if s.Disable.After != 0 {
		f.Disable.After = showDuration(s.Disable.After)
	}
	return f
}

// FailingDraft are the settings about a receiver that fails, in a body.
type FailingDraft struct {
	CircuitBreaker optional[CircuitBreakerDraft] `json:"circuitBreaker,omitzero" doc:"When the circuit opens, and deliveries are held back."`
	Disable        optional[DisableDraft]        `json:"disable,omitzero" doc:"When the server disables the webhook; never when absent."`
}

// DisableDraft says in a body when the server disables a webhook.
type DisableDraft struct {
	After  optional[duration] `json:"after,omitzero" doc:"How long the circuit has been open: 1m to 720h; never when absent or 0s."`
	OnGone optional[bool]     `json:"onGone,omitzero" doc:"Whether an answer of 410 Gone disables it at once; false when absent."`
}

// settle puts what a body gives into the settings, as [SettingsDraft] does.
func (d *FailingDraft) settle(r *reader, s *hook.Settings, prefix string) {
	if d.CircuitBreaker.null {
		s.Breaker = hook.BreakerLimits{}
	}
	limits := &d.CircuitBreaker.value
	put(&s.Breaker.Failures, limits.Failures, 0, whole.int)
	put(&s.Breaker.Share, limits.Share, 0, same)
	put(&s.Breaker.Minimum, limits.Minimum, 0, whole.int)
	if d.Disable.null {
		s.Disable = hook.Disable{}
	}
	r.duration(prefix+"disable.after", &s.Disable.After, d.Disable.value.After, 0)
	put(&s.Disable.OnGone, d.Disable.value.OnGone, false, same)
}

// DisabledReason is why the server disabled a webhook, in the API's JSON.
type DisabledReason string

// Schema returns the reasons.
func (DisabledReason) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "DisabledReason", "Why the server disabled a webhook: its receiver failed for too long, or answered 410 Gone.",
		[]DisabledReason{DisabledReason(hook.DisabledFailing.String()), DisabledReason(hook.DisabledGone.String())})
}

// Disabled is when and why the server disabled a webhook, as it is shown.
type Disabled struct {
	At     instant        `json:"at"`
	Reason DisabledReason `json:"reason"`
}

// showDisabled returns nothing for a webhook that the server has not disabled.
func showDisabled(d hook.Disabled) *Disabled {
	if d.For == hook.DisabledByHand {
		return nil
	}
	return &Disabled{At: instant{d.At}, Reason: DisabledReason(d.For.String())}
}
