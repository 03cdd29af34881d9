package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// secretPrefix begins a generated secret: the form in which Standard Webhooks libraries take one. X-Hub-Signature is made
// with the bytes of the whole text.
const secretPrefix = "whsec_"

// Webhook is a third party's receiver, as it is shown.
type Webhook struct {
	ID              hook.WebhookID `json:"id" format:"uuid"`
	ContactCenterID string         `json:"contactCenterId"`
	Enabled         bool           `json:"enabled" doc:"Deliveries of a disabled webhook are kept and go out when it is enabled."`
	Circuit         Circuit        `json:"circuit" doc:"That of all nodes; they open and close it, and enabling the webhook or another URL closes it."`
	Disabled        *Disabled      `json:"disabled,omitempty" doc:"When and why the server disabled it; absent when it did not, or it was enabled since."`
	Settings
	Secret    string   `json:"secret,omitempty" doc:"The app secret, only in the answer to the creation; in the answer that adds the next one, that."`
	Secrets   Rotation `json:"secrets" doc:"Where the rotation of the secret is; never a secret."`
	CreatedAt instant  `json:"createdAt"`
	UpdatedAt instant  `json:"updatedAt"`
}

// WebhookList is a part of a list of webhooks.
type WebhookList struct {
	Items      []Webhook `json:"items" nullable:"false"`
	NextCursor string    `json:"nextCursor,omitempty" doc:"Absent at the end."`
}

func showWebhook(w *hook.Webhook, center hook.ContactCenterID, now time.Time) Webhook {
	return Webhook{
		ID: w.ID, ContactCenterID: string(center), Enabled: w.Enabled, Circuit: showCircuit(w), Disabled: showDisabled(w.Disabled), Settings: showSettings(&w.Settings),
		Secrets: showRotation(&w.Secrets, now), CreatedAt: instant{w.CreatedAt}, UpdatedAt: instant{w.UpdatedAt},
	}
}

// WebhookDraft is the body of a creation.
type WebhookDraft struct {
	SettingsDraft
	Preset  optional[Preset] `json:"preset,omitzero" doc:"Settings that receivers of the original are used to; explicit fields win."`
	Secret  optional[string] `json:"secret,omitzero" doc:"The app secret: 16 to 256 bytes; made when absent."`
	Enabled optional[bool]   `json:"enabled,omitzero" doc:"true when absent."`
}

// TransformSchema gives the document the domain's bounds.
func (WebhookDraft) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	textSize(s, "secret", 0, hook.SecretBytesMax)
	s.Required = []string{"url"}
	s.Examples = []any{json.RawMessage(exampleWebhook)}
	return boundSettings(s)
}

// WebhookPatch is the body of a PATCH.
type WebhookPatch struct {
	SettingsDraft
	Preset  optional[Preset] `json:"preset,omitzero" doc:"Applied before the explicit fields."`
	Enabled optional[bool]   `json:"enabled,omitzero" doc:"null means true."`
}

// TransformSchema gives the document the domain's bounds, and null for each field's default.
func (WebhookPatch) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	boundSettings(s)
	s.Examples = []any{json.RawMessage(`{"concurrency":8,"circuitBreaker":{"failures":5},"disable":{"after":null}}`)}
	s.Properties["headers"].AdditionalProperties = orNull(r, headerSchema())
	for name, p := range s.Properties {
		s.Properties[name] = orNull(r, p)
	}
	return s
}

// orNull makes a copy of a schema that allows null too. What it refers to is copied in: a reference cannot be widened.
func orNull(r huma.Registry, s *huma.Schema) *huma.Schema {
	c := *s
	if s.Ref != "" {
		c = *r.SchemaFromRef(s.Ref)
		if s.Description != "" {
			c.Description = s.Description
		}
	}
	c.Nullable = true
	if len(c.Enum) > 0 { // which no null would be one of; the domain judges what is given, and the text says what it may be
		c.Description = strings.TrimSpace(fmt.Sprintf("%s One of %v.", c.Description, c.Enum))
		c.Enum = nil
	}
	properties := c.Properties
	c.Properties = nil
	for name, p := range properties {
		if c.Properties == nil {
			c.Properties = map[string]*huma.Schema{}
		}
		c.Properties[name] = orNull(r, p)
	}
	return &c
}

// schemaOf is the schema of a type: a reference where it has a name.
func schemaOf[T any](r huma.Registry) *huma.Schema {
	s := r.Schema(reflect.TypeFor[T](), true, "")
	s.Nullable = false // an array is nullable to huma, because a nil slice encodes as null; none of ours is nil
	return s
}

// applyPreset puts a preset's settings in, and names the field when there is no such preset.
func applyPreset(p optional[Preset], s *hook.Settings) []hook.FieldError {
	if !p.given || p.null || hook.Preset(p.value).Apply(s) {
		return nil
	}
	return []hook.FieldError{{
		Field: "body.preset", Message: fmt.Sprintf("must be %q", hook.PresetGenesys), Value: string(p.value),
	}}
}

// validate lists what is wrong with settings, whether this server's leases are too short for them, and whether the URL that
// was given can never be reached. One that was stored before the operator's rules changed is no reason to refuse another
// change.
func (s *Server) validate(settings *hook.Settings, given *SettingsDraft, now time.Time) []hook.FieldError {
	wrong := wrongFields(settings.Validate("body."))
	if given.TLS.value.Certificate.given {
		wrong = append(wrong, wrongFields(settings.TLS.CheckTime("body.tls.", now))...)
	}
	if s.checks.lease != nil {
		if err := s.checks.lease(settings); err != nil { // where the field is wrong by itself, that was said first
			wrong = append(wrong, hook.FieldError{Field: "body.requestTimeout", Message: err.Error(), Value: settings.RequestTimeout.String()})
		}
	}
	wrong = s.checkURL(wrong, "body.url", settings.URL, given.URL)
	if o := settings.Authorization.OAuth2; o != nil {
		wrong = s.checkURL(wrong, "body.authorization.tokenUrl", o.TokenURL, given.tokenURL())
	}
	return wrong
}

// checkURL adds to what is wrong that a URL which was given can never be reached.
func (s *Server) checkURL(wrong []hook.FieldError, at, raw string, given optional[string]) []hook.FieldError {
	if s.checks.url == nil || !given.given || slices.ContainsFunc(wrong, func(f hook.FieldError) bool { return f.Field == at }) {
		return wrong
	}
	u, err := url.Parse(raw)
	if err == nil {
		err = s.checks.url(u)
	}
	if err != nil {
		wrong = append(wrong, hook.FieldError{Field: at, Message: err.Error()})
	}
	return wrong
}

type createWebhookInput struct {
	request
	webhook hook.Webhook
	// secret is the one that was given, or empty.
	secret string
}

// Resolve reads the body.
func (in *createWebhookInput) Resolve(ctx huma.Context) []error {
	wrong := in.request.Resolve(ctx)
	var d WebhookDraft
	return append(wrong, in.read(ctx, &d, func() []hook.FieldError {
		in.webhook = hook.Webhook{ContactCenter: in.center.Number, Settings: hook.DefaultSettings(), Enabled: true}
		fields := applyPreset(d.Preset, &in.webhook.Settings)
		fields = append(fields, d.settle(&in.webhook.Settings, "body.")...)
		fields = append(fields, in.server.validate(&in.webhook.Settings, &d.SettingsDraft, in.now)...)
		put(&in.webhook.Enabled, d.Enabled, true, same)
		if d.Secret.given && !d.Secret.null {
			in.secret = d.Secret.value
			fields = append(fields, wrongFields(hook.ValidateSecret("body.secret", in.secret))...)
		}
		return fields
	})...)
}

func rowCreateWebhook() row {
	return row{
		id: "createWebhook", tag: "webhooks", needs: hook.PermitWebhooks, summary: "Create a webhook",
		about:  "Only this answer shows the secret. A preset is applied before the explicit fields. Events from now on are delivered to it.",
		status: http.StatusCreated, answer: Webhook{}, body: WebhookDraft{}, thorough: true,
	}
}

func (s *Server) createWebhook(ctx context.Context, in *createWebhookInput) (*answer, error) {
	w := in.webhook
	id, err := s.newID(in.now)
	if err != nil {
		return nil, err
	}
	w.ID = hook.WebhookID{UUID: id}
	if in.secret == "" {
		if in.secret, err = s.newSecret(); err != nil {
			return nil, err
		}
	}
	w.Secrets.Current = hook.NewSecret(in.secret)
	created := func(w *hook.Webhook) (*answer, error) {
		shown := showWebhook(w, in.center.ID, in.now)
		shown.Secret = w.Secrets.Current.Reveal()
		return done(http.StatusCreated, shown)
	}
	made, err := s.store.CreateWebhook(ctx, in.now, &w, onceSecret(in.call, created))
	if err != nil {
		return nil, err
	}
	return created(made)
}

func (s *Server) newSecret() (string, error) {
	var random [hook.SecretBytesGenerated]byte
	if _, err := io.ReadFull(s.random, random[:]); err != nil {
		return "", fmt.Errorf("read randomness: %w", err)
	}
	return secretPrefix + base64.StdEncoding.EncodeToString(random[:]), nil
}

type listWebhooksInput struct {
	request
	Page
}

func rowListWebhooks() row {
	return row{
		id: "listWebhooks", tag: "webhooks", needs: hook.PermitWebhooks, summary: "List webhooks", about: "Newest first, without secrets; deleted ones are not shown.",
		status: http.StatusOK, answer: WebhookList{},
	}
}

func (s *Server) listWebhooks(ctx context.Context, in *listWebhooksInput) (*answer, error) {
	found, next, err := s.store.Webhooks(ctx, in.center.Number, in.page())
	if errors.Is(err, hook.ErrBadID) {
		return nil, badCursor("query.cursor")
	} else if err != nil {
		return nil, err
	}
	list := WebhookList{Items: make([]Webhook, len(found)), NextCursor: next}
	for i, w := range found {
		list.Items[i] = showWebhook(w, in.center.ID, in.now)
	}
	return done(http.StatusOK, list)
}

// WebhookTarget is the webhook that a request is about. It is embedded in the input of such requests.
type WebhookTarget struct {
	request
	ID hook.WebhookID `path:"id" format:"uuid" doc:"The webhook's id."`
}

func rowGetWebhook() row {
	return row{
		id: "getWebhook", tag: "webhooks", needs: hook.PermitWebhooks, summary: "Read a webhook", about: "Without its secret.", status: http.StatusOK, answer: Webhook{},
	}
}

func (s *Server) getWebhook(ctx context.Context, in *WebhookTarget) (*answer, error) {
	return in.shown(s.store.Webhook(ctx, in.center.Number, in.ID))
}

// shown answers with the webhook that the store returned.
func (in *WebhookTarget) shown(w *hook.Webhook, err error) (*answer, error) {
	if err != nil {
		return nil, err
	}
	return done(http.StatusOK, showWebhook(w, in.center.ID, in.now))
}

type updateWebhookInput struct {
	WebhookTarget
	patch WebhookPatch
}

// Resolve reads the body and tries it on the webhook as it is now, so that what is wrong with their sum is told beside all
// else; the transaction decides.
func (in *updateWebhookInput) Resolve(ctx huma.Context) []error {
	wrong := in.request.Resolve(ctx)
	return append(wrong, in.read(ctx, &in.patch, func() []hook.FieldError {
		now, err := in.server.store.Webhook(ctx.Context(), in.center.Number, in.ID)
		if err != nil { // the handler will meet the same
			return nil
		}
		trial := *now
		return wrongFields(in.merge(&trial))
	})...)
}

// merge puts the patch into a webhook; the error is a [hook.InvalidError].
func (in *updateWebhookInput) merge(w *hook.Webhook) error {
	fields := applyPreset(in.patch.Preset, &w.Settings)
	before := *w
	fields = append(fields, in.patch.settle(&w.Settings, "body.")...)
	fields = append(fields, keepPurpose(&before.Settings, &w.Settings)...)
	if in.patch.Enabled.given {
		w.SetEnabled(in.patch.Enabled.null || in.patch.Enabled.value)
	}
	fields = append(fields, in.server.validate(&w.Settings, &in.patch.SettingsDraft, in.now)...)
	fields = append(fields, wrongFields(w.Settings.CheckKept("body.", &before.Settings, in.patch.given()))...)
	if len(fields) > 0 {
		return &hook.InvalidError{Fields: fields}
	}
	return nil
}

func rowUpdateWebhook() row {
	return row{
		id: "updateWebhook", tag: "webhooks", needs: hook.PermitWebhooks, summary: "Change a webhook's settings",
		about: "A JSON merge patch (RFC 7396), as application/json or application/merge-patch+json: absent fields stay, null puts the default back, retry, batch, circuitBreaker, disable, headers, authorization and tls are merged field by " +
			"field, lists are replaced. A password, clientSecret or key that is left out stays, but is never sent to another than it was given for: another scheme, host or port of url, or a root that is new, needs all values " +
			"of headers and the password or clientSecret again, and so do another username, or another tokenUrl or clientId. enabled does what enable and disable do. The secret cannot be changed here, but by its rotation. Deliveries that are open follow the new settings.",
		status: http.StatusOK, answer: Webhook{}, body: WebhookPatch{}, thorough: true,
	}
}

func (s *Server) updateWebhook(ctx context.Context, in *updateWebhookInput) (*answer, error) {
	return in.shown(s.store.UpdateWebhook(ctx, in.center.Number, in.ID, in.now, in.merge))
}

func rowDeleteWebhook() row {
	return row{
		id: "deleteWebhook", tag: "webhooks", needs: hook.PermitWebhooks, summary: "Delete a webhook",
		about:  "It gets no more deliveries. Its history stays readable until its retention ends.",
		status: http.StatusNoContent,
	}
}

func (s *Server) deleteWebhook(ctx context.Context, in *WebhookTarget) (*answer, error) {
	if err := s.store.DeleteWebhook(ctx, in.center.Number, in.ID, in.now); err != nil {
		return nil, err
	}
	return &answer{status: http.StatusNoContent}, nil
}

func rowEnableWebhook() row {
	return row{
		id: "enableWebhook", tag: "webhooks", needs: hook.PermitWebhooks, summary: "Enable a webhook", about: "Its open deliveries go out, also those that an open circuit held back. Enabling an enabled one changes nothing else.",
		status: http.StatusOK, answer: Webhook{},
	}
}

func (s *Server) enableWebhook(ctx context.Context, in *WebhookTarget) (*answer, error) {
	return s.switchWebhook(ctx, in, true)
}

func rowDisableWebhook() row {
	return row{
		id: "disableWebhook", tag: "webhooks", needs: hook.PermitWebhooks, summary: "Disable a webhook", about: "Its deliveries are kept until it is enabled.",
		status: http.StatusOK, answer: Webhook{},
	}
}

func (s *Server) disableWebhook(ctx context.Context, in *WebhookTarget) (*answer, error) {
	return s.switchWebhook(ctx, in, false)
}

func (s *Server) switchWebhook(ctx context.Context, in *WebhookTarget, enabled bool) (*answer, error) {
	switched := func(w *hook.Webhook) (*answer, error) { return in.shown(w, nil) }
	return in.shown(s.store.EnableWebhook(ctx, in.center.Number, in.ID, in.now, enabled, once(in.call, switched)))
}

// TestResult is what a webhook's receiver said to a test.
type TestResult struct {
	Acknowledged bool    `json:"acknowledged"`
	Attempt      Attempt `json:"attempt"`
}

func rowTestWebhook() row {
	return row{
		id: "testWebhook", tag: "webhooks", needs: hook.PermitWebhooks, summary: "Send a test",
		about: "Sends one signed STARTED of a made-up interaction, or a made-up notice where the webhook's purpose is notices, with " +
			"Hookswitch-Test: true, once, and answers what the receiver said. " +
			"Nothing is stored, so an Idempotency-Key is checked and then ignored: each call sends a test. A next secret that waits for its promotion can be tried.",
		status: http.StatusOK, answer: TestResult{}, body: TestDraft{}, optional: true, thorough: true, errors: []int{http.StatusConflict},
	}
}

func (s *Server) testWebhook(ctx context.Context, in *testInput) (*answer, error) {
	w, err := s.store.Webhook(ctx, in.center.Number, in.ID)
	if err == nil {
		w, err = in.tried(w)
	}
	if err != nil {
		return nil, err
	}
	if s.tester == nil {
		return nil, newProblem(http.StatusServiceUnavailable, "this server sends no webhooks").with("Retry-After", retryAfterSeconds)
	}
	if w.Locked() {
		return nil, hook.ErrLocked
	}
	attempt := s.tester.Test(ctx, w)
	return done(http.StatusOK, TestResult{Acknowledged: attempt.Acknowledged(), Attempt: showAttempt(&attempt)})
}
