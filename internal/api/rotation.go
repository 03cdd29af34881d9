package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// Rotation is where a webhook is in the rotation of its secrets, as it is shown.
type Rotation struct {
	Next          bool    `json:"next" doc:"Whether there is a next secret, which signs beside the current one and waits for its promotion."`
	PreviousUntil instant `json:"previousUntil,omitzero" doc:"Until when the previous secret signs beside the current one; absent when there is none."`
}

// showRotation shows nothing of a previous secret that has ended.
func showRotation(s *hook.Secrets, now time.Time) Rotation {
	r := Rotation{Next: !s.Next.IsZero()}
	if !s.Previous.IsZero() && !s.PreviousEnded(now) {
		r.PreviousUntil = instant{s.PreviousUntil}
	}
	return r
}

// RotationAction is a step of a rotation of secrets, in the API's JSON.
type RotationAction string

// The steps.
const (
	actionNext    RotationAction = "next"
	actionPromote RotationAction = "promote"
	actionExpire  RotationAction = "expire"
)

// Schema returns the steps in their order.
func (RotationAction) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "RotationAction", "next adds the next secret, promote makes it the current one, expire ends the previous one.",
		[]RotationAction{actionNext, actionPromote, actionExpire})
}

// Expiring is a secret that can be ended, in the API's JSON.
type Expiring string

// The secrets that can be ended; the current one cannot.
const (
	expirePrevious Expiring = "previous"
	expireNext     Expiring = "next"
)

// Schema returns the secrets that can be ended.
func (Expiring) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "Expiring", "previous: the one before the last promotion; next: the one that waits for its promotion, which gives the rotation up.",
		[]Expiring{expirePrevious, expireNext})
}

// RotationStep is the body of a step of a rotation.
type RotationStep struct {
	Action       optional[RotationAction] `json:"action,omitzero" doc:"Which step."`
	Secret       optional[string]         `json:"secret,omitzero" doc:"With next only: the next secret, 16 to 256 bytes; made when absent."`
	KeepPrevious optional[duration]       `json:"keepPrevious,omitzero" doc:"With promote only: how long the secret that was current goes on signing, 0s to 720h; 24h when absent."`
	Which        optional[Expiring]       `json:"which,omitzero" doc:"With expire only: previous when absent."`
}

// TransformSchema gives the document the domain's bounds.
func (RotationStep) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Required = []string{"action"}
	textSize(s, "secret", 0, hook.SecretBytesMax)
	s.Examples = []any{json.RawMessage(`{"action":"next"}`), json.RawMessage(`{"action":"promote","keepPrevious":"24h"}`), json.RawMessage(`{"action":"expire"}`)}
	return s
}

// wrong names the fields that do not belong to the action, and those that are out of their bounds.
func (d *RotationStep) wrong() (fields []hook.FieldError) {
	chosen := d.Action.value
	if chosen != actionNext && chosen != actionPromote && chosen != actionExpire {
		return nil // the schema has said what is wrong
	}
	alone := func(given bool, name string, action RotationAction) {
		if given && chosen != action {
			fields = append(fields, hook.FieldError{Field: "body." + name, Message: fmt.Sprintf("belongs to the action %q only: leave it out", action)})
		}
	}
	alone(d.Secret.given && !d.Secret.null, "secret", actionNext)
	alone(d.KeepPrevious.given && !d.KeepPrevious.null, "keepPrevious", actionPromote)
	alone(d.Which.given && !d.Which.null, "which", actionExpire)
	return fields
}

// rotateSecretsInput is a step of a rotation.
type rotateSecretsInput struct {
	WebhookTarget
	step RotationStep
	// secret is the next one that was given, or empty.
	secret string
	keep   hook.Duration
}

// Resolve reads the body.
func (in *rotateSecretsInput) Resolve(ctx huma.Context) []error {
	wrong := in.request.Resolve(ctx)
	return append(wrong, in.read(ctx, &in.step, func() []hook.FieldError {
		fields := in.step.wrong()
		if in.step.Secret.given && !in.step.Secret.null {
			in.secret = in.step.Secret.value
			fields = append(fields, wrongFields(hook.ValidateSecret("body.secret", in.secret))...)
		}
		const at = "body.keepPrevious"
		var r reader
		in.keep = hook.Duration(hook.KeepPreviousDefault)
		r.duration(at, &in.keep, in.step.KeepPrevious, in.keep)
		if in.keep < 0 || time.Duration(in.keep) > hook.KeepPreviousMax {
			r.wrong = append(r.wrong, hook.FieldError{
				Field: at, Message: fmt.Sprintf("must be 0s to %s", hook.Duration(hook.KeepPreviousMax)), Value: in.keep.String(),
			})
		}
		return append(fields, r.wrong...)
	})...)
}

func rowRotateSecrets() row {
	return row{
		id: "rotateSecrets", tag: "webhooks", needs: hook.PermitWebhooks, summary: "Rotate a webhook's secret",
		about: "The steps, in their order: next adds a secret that signs beside the current one in webhook-signature; the receiver then accepts both; " +
			"promote makes it the current one, which alone makes X-Hub-Signature and X-Hub-Signature-256; the receiver then drops the old one; expire ends that " +
			"before its time. Only the answer to next shows the next secret. What the rotation is not ready for is a conflict. Each attempt is signed with " +
			"the secrets of its time, redeliveries too.",
		status: http.StatusOK, answer: Webhook{}, body: RotationStep{}, thorough: true, errors: []int{http.StatusConflict},
	}
}

func (s *Server) rotateSecrets(ctx context.Context, in *rotateSecretsInput) (*answer, error) {
	if in.step.Action.value == actionNext && in.secret == "" {
		var err error
		if in.secret, err = s.newSecret(); err != nil {
			return nil, err
		}
	}
	rotated := func(w *hook.Webhook) (*answer, error) {
		shown := showWebhook(w, in.center.ID, in.now)
		if in.step.Action.value == actionNext {
			shown.Secret = in.secret
		}
		return done(http.StatusOK, shown)
	}
	first := once(in.call, rotated)
	if in.step.Action.value == actionNext {
		first = onceSecret(in.call, rotated)
	}
	w, err := s.store.RotateSecrets(ctx, in.center.Number, in.ID, in.now, first, in.rotate)
	if err != nil {
		return nil, err
	}
	return rotated(w)
}

// rotate does the step.
func (in *rotateSecretsInput) rotate(secrets *hook.Secrets) error {
	switch in.step.Action.value {
	case actionPromote:
		return secrets.Promote(in.now, time.Duration(in.keep))
	case actionExpire:
		if in.step.Which.value == expireNext {
			return secrets.CancelNext()
		}
		return secrets.ExpirePrevious()
	case actionNext:
		return secrets.AddNext(hook.NewSecret(in.secret))
	}
	return &hook.InvalidError{Fields: []hook.FieldError{{Field: "body.action", Message: "is required"}}}
}

// TestSecret is what a test is signed with, in the API's JSON.
type TestSecret string

// The secrets of a test.
const (
	testCurrent TestSecret = "current"
	testNext    TestSecret = "next"
)

// Schema returns the secrets of a test.
func (TestSecret) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "TestSecret", "current: as every POST is signed now, with all valid secrets; next: with the next secret alone, as if it was promoted.",
		[]TestSecret{testCurrent, testNext})
}

// TestDraft is the body of a test.
type TestDraft struct {
	Secret optional[TestSecret] `json:"secret,omitzero" doc:"current when absent."`
}

// testInput is a test of a webhook.
type testInput struct {
	WebhookTarget
	draft TestDraft
}

// Resolve reads the body.
func (in *testInput) Resolve(ctx huma.Context) []error {
	wrong := in.request.Resolve(ctx)
	return append(wrong, in.read(ctx, &in.draft, func() []hook.FieldError { return nil })...)
}

// tried returns the webhook as the test needs it.
func (in *testInput) tried(w *hook.Webhook) (*hook.Webhook, error) {
	if in.draft.Secret.value != testNext {
		return w, nil
	}
	secrets, err := w.Secrets.Trial()
	if err != nil {
		return nil, err
	}
	trial := *w
	trial.Secrets = secrets
	return &trial, nil
}
