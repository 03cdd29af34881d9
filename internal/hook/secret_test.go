package hook_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const secretText = "correct-horse-battery-staple"

// hidden fails the test when a text shows the secret, in any of the spellings that fmt and the encoders have.
func hidden(t *testing.T, where, text string) {
	t.Helper()
	spellings := []string{
		secretText, hex.EncodeToString([]byte(secretText)), strings.ToUpper(hex.EncodeToString([]byte(secretText))),
		base64.StdEncoding.EncodeToString([]byte(secretText)), strings.Trim(fmt.Sprintf("%d", []byte(secretText)), "[]"),
		strings.TrimSuffix(fmt.Sprintf("% x", secretText), " "), "horse",
	}
	for _, s := range spellings {
		if strings.Contains(text, s) {
			t.Errorf("%s shows the secret: %s", where, text)
		}
	}
}

// holders are the places where a secret may be when somebody prints something.
func holders() map[string]any {
	secret := hook.NewSecret(secretText)
	webhook := hook.Webhook{Number: 1, Settings: hook.DefaultSettings(), Secrets: hook.Secrets{Current: secret}}
	return map[string]any{
		"secret":                      secret,
		"pointer":                     &secret,
		"slice":                       []hook.Secret{secret},
		"map":                         map[string]hook.Secret{"secret": secret},
		"interface":                   []any{secret},
		"struct":                      struct{ S hook.Secret }{secret},
		"struct, unexported":          struct{ s hook.Secret }{secret},
		"struct, pointer":             struct{ S *hook.Secret }{&secret},
		"struct, unexported, nested":  struct{ in struct{ s hook.Secret } }{struct{ s hook.Secret }{secret}},
		"struct, unexported, in list": struct{ s []hook.Secret }{[]hook.Secret{secret}},
		"webhook":                     webhook,
		"webhook, pointer":            &webhook,
		"webhooks":                    []*hook.Webhook{&webhook},
		"webhook, unexported":         struct{ w hook.Webhook }{webhook},
		"error":                       fmt.Errorf("send: %v", secret),
		"wrapped error":               fmt.Errorf("send: %w", errors.Join(fmt.Errorf("with %+v", webhook))),
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	const verbs = "abcdefghijklmnoqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" // all but p, an address
	for name, holder := range holders() {
		for _, verb := range verbs {
			for _, flag := range []string{"", "+", "#", "-60", "060", " ", ".3"} {
				format := "%" + flag + string(verb)
				hidden(t, name+" by "+format, fmt.Sprintf(format, holder))
			}
		}
		hidden(t, name+" by Sprint", fmt.Sprint(holder))
		hidden(t, name+" by Sprintln", fmt.Sprintln(holder, holder))
	}
}

func TestSecretShowsAsStars(t *testing.T) {
	secret := hook.NewSecret(secretText)
	for format, want := range map[string]string{
		"%v": "***", "%+v": "***", "%#v": "***", "%s": "***", "%q": "***", "%d": "***", "%x": "***",
	} {
		if got := fmt.Sprintf(format, secret); got != want {
			t.Errorf("%s: got %q", format, got)
		}
	}
	if got := secret.String() + secret.GoString() + secret.LogValue().String(); got != "*********" {
		t.Errorf("got %q", got)
	}
	if got := fmt.Sprintf("%+v", struct{ S hook.Secret }{secret}); got != "{S:***}" {
		t.Errorf("got %q", got)
	}
}

func TestSecretIsNeverEncoded(t *testing.T) {
	for name, holder := range holders() {
		text, err := json.Marshal(holder)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		hidden(t, name+" as JSON", string(text))
	}
	if got, err := json.Marshal(hook.NewSecret(secretText)); err != nil || string(got) != `"***"` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestSecretIsNeverLogged(t *testing.T) {
	for name, holder := range holders() {
		for kind, handler := range map[string]func(*bytes.Buffer) slog.Handler{
			"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var out bytes.Buffer
			log := slog.New(handler(&out))
			log.Info("send", "holder", holder)
			log.With("holder", holder).WithGroup("group").Info("send", slog.Group("inner", slog.Any("holder", holder)))
			if strings.Count(out.String(), "\n") != 2 {
				t.Fatalf("%s, %s: %q", name, kind, out.String())
			}
			hidden(t, name+" in a log of "+kind, out.String())
		}
	}
}

func TestSecretReveal(t *testing.T) {
	secret := hook.NewSecret(secretText)
	if secret.Reveal() != secretText || secret.IsZero() {
		t.Errorf("got %q, zero %v", secret.Reveal(), secret.IsZero())
	}
	for name, none := range map[string]hook.Secret{"zero value": {}, "of nothing": hook.NewSecret("")} {
		if none.Reveal() != "" || !none.IsZero() {
			t.Errorf("%s: got %q, zero %v", name, none.Reveal(), none.IsZero())
		}
		if none.String() != "***" {
			t.Errorf("%s: %q tells that there is none", name, none.String())
		}
	}
}

func TestSecretEqual(t *testing.T) {
	secret, same := hook.NewSecret(secretText), hook.NewSecret(secretText)
	if !secret.Equal(same) || !(hook.Secret{}).Equal(hook.NewSecret("")) {
		t.Error("one secret twice is not equal")
	}
	for _, other := range []hook.Secret{{}, hook.NewSecret(secretText + "s"), hook.NewSecret(strings.ToUpper(secretText))} {
		if secret.Equal(other) || other.Equal(secret) {
			t.Errorf("%q is equal to %q", secret.Reveal(), other.Reveal())
		}
	}
	if diff := cmp.Diff(hook.Webhook{Secrets: hook.Secrets{Current: secret}}, hook.Webhook{Secrets: hook.Secrets{Current: same}}); diff != "" {
		t.Errorf("webhooks with the same secret differ:\n%s", diff)
	}
	if cmp.Equal(hook.Webhook{Secrets: hook.Secrets{Current: secret}}, hook.Webhook{Secrets: hook.Secrets{Current: hook.NewSecret("another-secret-text")}}) {
		t.Error("webhooks with different secrets are equal")
	}
}

func TestI7SecretBounds(t *testing.T) {
	text := func(n int) string { return strings.Repeat("s", n) }
	for name, test := range map[string]struct {
		secret string
		wrong  bool
	}{
		"empty":                  {"", true},
		"just too short":         {text(hook.SecretBytesMin - 1), true},
		"shortest":               {text(hook.SecretBytesMin), false},
		"just inside the bound":  {text(hook.SecretBytesMin + 1), false},
		"usual":                  {secretText, false},
		"just below the longest": {text(hook.SecretBytesMax - 1), false},
		"longest":                {text(hook.SecretBytesMax), false},
		"just too long":          {text(hook.SecretBytesMax + 1), true},
		"bytes count":            {strings.Repeat("é", hook.SecretBytesMin/2), false},
		"a line feed":            {secretText + "\n", true},
		"NUL":                    {secretText + "\x00", true},
		"broken UTF-8":           {secretText + "\xff", true},
	} {
		t.Run(name, func(t *testing.T) {
			err := hook.ValidateSecret("body.secret", test.secret)
			if !test.wrong {
				checkFields(t, err)
				return
			}
			checkFields(t, err, "body.secret")
			for _, f := range fieldErrors(t, err) {
				if f.Value != "" || test.secret != "" && strings.Contains(f.Message, test.secret) {
					t.Errorf("the error repeats the secret: %+v", f)
				}
			}
		})
	}
}
