package store_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// auditLog returns all entries of the contact centre that the filter lets through, oldest first, page by page.
func auditLog(t testing.TB, s *storetest.Opened, center hook.ContactCenterNumber, f store.AuditFilter) []store.AuditEntry {
	t.Helper()
	var all []store.AuditEntry
	for p := (store.Page{Limit: 3}); ; {
		page, next, err := s.AuditLog(t.Context(), center, f, p)
		must(t, err)
		all = append(all, page...)
		if p.Cursor = next; next == "" {
			slices.Reverse(all)
			return all
		}
	}
}

// audited says of each entry who did what, and which fields of the document differ.
func audited(t testing.TB, entries []store.AuditEntry) []string {
	t.Helper()
	list := make([]string, len(entries))
	for i, e := range entries {
		list[i] = string(e.Actor) + ": " + e.Action
		before, after := fieldsOf(t, e.Before), fieldsOf(t, e.After)
		if before == nil || after == nil {
			continue
		}
		for _, name := range []string{"enabled", "disabled", "circuit", "url", "description", "concurrency", "retry", "headers"} {
			if before[name] != after[name] {
				list[i] += " " + name + " " + before[name] + " -> " + after[name]
			}
		}
	}
	return list
}

func fieldsOf(t testing.TB, document string) map[string]string {
	t.Helper()
	if document == "" {
		return nil
	}
	var raw map[string]json.RawMessage
	must(t, json.Unmarshal([]byte(document), &raw))
	fields := map[string]string{}
	for name, value := range raw {
		fields[name] = string(value)
	}
	return fields
}

// Every change of a webhook is logged with who made it and what it changed, also after a restart; a change that changes nothing, one that
// is refused and one that was made before are not.
func TestAuditOfWebhook(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		ctx := hook.WithActor(t.Context(), "key a (1)")
		w := webhook(t, s, theCenter) // by nobody in particular: the server itself
		update := func(change func(*hook.Webhook)) {
			t.Helper()
			_, err := s.UpdateWebhook(ctx, theCenter, w.ID, now, func(w *hook.Webhook) error {
				change(w)
				return nil
			})
			must(t, err)
		}
		update(func(*hook.Webhook) {})
		update(func(w *hook.Webhook) { w.Settings.Concurrency = 7 })
		update(func(w *hook.Webhook) {
			w.Settings.Signatures[0], w.Settings.Headers = hook.SignatureStandard, map[string]string{"X-Auth": "one"}
		})
		update(func(w *hook.Webhook) { w.Settings.Headers["X-Auth"] = "two" })
		update(func(w *hook.Webhook) { w.Settings.Headers["X-Auth"] = "two" })
		update(func(w *hook.Webhook) { w.Secrets.Current = hook.NewSecret("0123456789abcdef") })
		update(func(w *hook.Webhook) { w.Secrets.Current = hook.NewSecret("another 0123456789") })
		update(func(w *hook.Webhook) {
			w.Enabled, w.Disabled = false, hook.Disabled{At: now, For: hook.DisabledFailing}
		})
		refused := errors.New("a reason of the caller's")
		_, err := s.UpdateWebhook(ctx, theCenter, w.ID, now, func(w *hook.Webhook) error {
			w.Settings.URL = "https://other.example/"
			return refused
		})
		wantError(t, err, refused)
		once := onceWebhook("enable", 1)
		for range 2 {
			_, err = s.EnableWebhook(ctx, theCenter, w.ID, now, true, once)
			var answered *store.AnsweredError
			if err != nil && !errors.As(err, &answered) {
				t.Fatal(err)
			}
		}
		for range 2 {
			_, err = s.EnableWebhook(ctx, theCenter, w.ID, now, false, nil)
			must(t, err)
		}
		must(t, s.DeleteWebhook(ctx, theCenter, w.ID, now))
		wantError(t, s.DeleteWebhook(ctx, theCenter, w.ID, now), hook.ErrNotFound)
		off := `{"at":"` + now.Format(time.RFC3339Nano) + `","reason":"failing"}`
		want := []string{
			`hookswitch: webhook.create`,
			`key a (1): webhook.update concurrency 32 -> 7`,
			`key a (1): webhook.update headers  -> {"X-Auth":"***"}`,
			`key a (1): webhook.update headers {"X-Auth":"***"} -> {"X-Auth":"*** (changed)"}`,
			`key a (1): secret.change`,
			`key a (1): webhook.disable enabled true -> false disabled  -> ` + off,
			`key a (1): webhook.enable enabled false -> true disabled ` + off + " -> ",
			`key a (1): webhook.disable enabled true -> false`,
			`key a (1): webhook.delete`,
		}
		for range 2 {
			log := auditLog(t, s, theCenter, store.AuditFilter{})
			if diff := cmp.Diff(want, audited(t, log)); diff != "" {
				t.Errorf("the log (-want +got):\n%s", diff)
			}
			for i, e := range log {
				if e.Subject != w.ID.String() || e.At.Before(now.Add(-time.Minute)) || i > 0 && e.Serial <= log[i-1].Serial {
					t.Errorf("entry %d is %+v", i, e)
				}
			}
			if last := log[len(log)-1]; last.After != "" || !strings.Contains(last.Before, `"url"`) || log[4].After != `{"secret":"changed"}` {
				t.Errorf("deleted: %+v; secret: %+v", last, log[4])
			}
			s.Reopen(t)
		}
	})
}

// Enabling a webhook whose circuit is open closes the circuit, and that is logged although it was enabled.
func TestAuditOfClosedCircuit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		swapped, err := s.SwapCircuit(t.Context(), w.Number, hook.Circuit{}, hook.Circuit{Since: now, ProbeAt: now.Add(time.Minute), Wait: time.Minute})
		if err != nil || !swapped {
			t.Fatalf("open the circuit: %v, %v", swapped, err)
		}
		for range 2 {
			_, err := s.EnableWebhook(t.Context(), theCenter, w.ID, now, true, nil)
			must(t, err)
		}
		want := []string{"hookswitch: webhook.create", `hookswitch: webhook.enable circuit "open" -> "closed"`}
		if diff := cmp.Diff(want, audited(t, auditLog(t, s, theCenter, store.AuditFilter{}))); diff != "" {
			t.Errorf("the log (-want +got):\n%s", diff)
		}
	})
}

// A key that is set is logged under no contact centre, once: the same key at the next start is no change.
func TestAuditOfAdminKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		for _, hash := range [][32]byte{{1}, {1}, {2}, {2}} {
			must(t, s.SetAdminKey(t.Context(), now, hash))
		}
		keys, _, err := s.Keys(0, store.Page{})
		must(t, err)
		k := keys[0]
		if log := audited(t, auditLog(t, s, 0, store.AuditFilter{})); len(keys) != 1 || !slices.Equal(log, []string{"hookswitch: key.create", "hookswitch: key.replace"}) {
			t.Errorf("the log is %q", log)
		}
		if last := auditLog(t, s, 0, store.AuditFilter{})[1]; last.Subject != k.ID.String() {
			t.Errorf("the entry is about %s, the key is %s", last.Subject, k.ID)
		}
		if k.Actor() != "admin key" {
			t.Errorf("the key acts as %q", k.Actor())
		}
		named := hook.Key{ID: k.ID, Center: theCenter, Name: "crm"}
		if want := hook.Actor("key crm (" + k.ID.String() + ")"); named.Actor() != want {
			t.Errorf("a contact centre's key acts as %q, want %q", named.Actor(), want)
		}
	})
}

// A filter lets through what it says and nothing else, and one contact centre's log has nothing of another's.
func TestAuditFilters(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		other := contactCenter(t, s, "other").Number
		w := webhook(t, s, theCenter)
		later := now.Add(time.Hour)
		_, err := s.UpdateWebhook(hook.WithActor(t.Context(), "key Zürich (1)"), theCenter, w.ID, later, func(w *hook.Webhook) error {
			w.Settings.Description, w.Secrets.Current = "changed", hook.NewSecret("another 0123456789")
			return nil
		})
		must(t, err)
		webhook(t, s, theCenter)
		webhook(t, s, other)
		for name, tt := range map[string]struct {
			center hook.ContactCenterNumber
			filter store.AuditFilter
			want   int
		}{
			"none":                      {theCenter, store.AuditFilter{}, 4},
			"another contact centre":    {other, store.AuditFilter{}, 2}, // it was made, and its webhook
			"subject":                   {theCenter, store.AuditFilter{Subject: w.ID.String()}, 3},
			"noun":                      {theCenter, store.AuditFilter{Action: "webhook"}, 3},
			"action":                    {theCenter, store.AuditFilter{Action: "webhook.create"}, 2},
			"part of a noun":            {theCenter, store.AuditFilter{Action: "web"}, 0},
			"a pattern":                 {theCenter, store.AuditFilter{Action: "%"}, 0},
			"beginning of an actor":     {theCenter, store.AuditFilter{Actor: "key Zü"}, 2},
			"middle of an actor":        {theCenter, store.AuditFilter{Actor: "Zürich"}, 0},
			"from":                      {theCenter, store.AuditFilter{From: later}, 3},
			"to":                        {theCenter, store.AuditFilter{To: later}, 1},
			"all of them":               {theCenter, store.AuditFilter{Subject: w.ID.String(), Action: "secret", Actor: "key", From: later, To: later.Add(time.Hour)}, 1},
			"subject in another centre": {other, store.AuditFilter{Subject: w.ID.String()}, 0},
		} {
			if got := auditLog(t, s, tt.center, tt.filter); len(got) != tt.want {
				t.Errorf("%s: %d entries, want %d: %q", name, len(got), tt.want, audited(t, got))
			}
		}
		_, _, err = s.AuditLog(t.Context(), theCenter, store.AuditFilter{}, store.Page{Cursor: "!"})
		wantError(t, err, hook.ErrBadID)
	})
}

// The log is in the order in which changes were made, also when the clock was set back before a restart.
func TestAuditAfterClockWasSetBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		must(t, s.SetAdminKey(t.Context(), now.Add(48*time.Hour), [32]byte{1}))
		s.Reopen(t)
		must(t, s.SetAdminKey(t.Context(), now, [32]byte{2}))
		if log := audited(t, auditLog(t, s, 0, store.AuditFilter{})); !slices.Equal(log, []string{"hookswitch: key.create", "hookswitch: key.replace"}) {
			t.Errorf("the log is %q", log)
		}
	})
}

// No secret is in any row of the log, however it was given.
func TestAuditHoldsNoSecret(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter, func(w *hook.Webhook) {
			w.Secrets.Current = hook.NewSecret("s3cret-of-the-app-one")
			w.Settings.URL = "https://user:s3cret-password@receiver.example/?token=s3cret-token"
			w.Settings.Headers = map[string]string{"Authorization": "Bearer s3cret-bearer"}
		})
		for i := range 3 {
			_, err := s.UpdateWebhook(t.Context(), theCenter, w.ID, now, func(w *hook.Webhook) error {
				n := string(rune('a' + i))
				w.Secrets.Current = hook.NewSecret("s3cret-of-the-app-two-" + n)
				w.Settings.URL = "https://user:s3cret-password@receiver.example/?s3cret-alone" + n
				w.Settings.Headers = map[string]string{"Authorization": "Bearer s3cret-bearer" + n, "X-New": "s3cret-new"}
				return nil
			})
			must(t, err)
		}
		_, err := s.EnableWebhook(t.Context(), theCenter, w.ID, now, false, nil)
		must(t, err)
		must(t, s.DeleteWebhook(t.Context(), theCenter, w.ID, now))
		must(t, s.SetAdminKey(t.Context(), now, [32]byte([]byte("s3cret-hash-of-a-key-of-32-bytes"))))
		rows, err := s.Texts(`SELECT actor || ' ' || action || ' ' || subject || ' ' || before || ' ' || after FROM audit ORDER BY serial`)
		must(t, err)
		if len(rows) != 10 {
			t.Errorf("%d rows, want 10", len(rows))
		}
		for _, row := range rows {
			if strings.Contains(row, "s3cret") {
				t.Errorf("a row shows a secret: %s", row)
			}
		}
	})
}

// onceWebhook binds a change of a webhook to an Idempotency-Key.
func onceWebhook(key string, fingerprint byte) *store.Once[*hook.Webhook] {
	return &store.Once[*hook.Webhook]{
		Key: key, Fingerprint: [32]byte{fingerprint},
		Encode: func(*hook.Webhook, error) (store.Answer, bool) {
			return store.Answer{Status: 200, Body: []byte("{}")}, true
		},
	}
}
