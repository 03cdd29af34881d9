package store_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/seal"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// changing is a sealer whose keyset a test replaces.
type changing struct {
	keyset atomic.Pointer[seal.Keyset]
	// promotes is whether it makes a staged key primary when it is asked to.
	promotes atomic.Bool
}

func newChanging(k *seal.Keyset) *changing {
	c := new(changing)
	c.keyset.Store(k)
	return c
}

func (c *changing) Seal(plain []byte, about string) ([]byte, uint32, error) {
	return c.keyset.Load().Seal(plain, about)
}

func (c *changing) Open(sealed []byte, about string) ([]byte, error) {
	return c.keyset.Load().Open(sealed, about)
}
func (c *changing) Primary() uint32   { return c.keyset.Load().Primary() }
func (c *changing) Numbers() []uint32 { return c.keyset.Load().Numbers() }
func (c *changing) Problem() error    { return nil }

// Promote makes the staged key primary.
func (c *changing) Promote(number uint32) bool {
	next, err := c.keyset.Load().Promote()
	if !c.promotes.Load() || err != nil || next.Primary() != number {
		return false
	}
	c.keyset.Store(next)
	return true
}

func (c *changing) option() storetest.Option {
	return storetest.With(func(o *store.Options) { o.Sealer = c })
}

// rotated returns a keyset with one more key, which is primary.
func rotated(t testing.TB, k *seal.Keyset) *seal.Keyset {
	t.Helper()
	staged, err := k.Stage()
	must(t, err)
	promoted, err := staged.Promote()
	must(t, err)
	return promoted
}

// secretsOf are the texts that must not be found anywhere, and the webhook that has them.
func withSecrets(n int) (func(*hook.Webhook), []string) {
	texts := make([]string, 8)
	for i := range texts {
		texts[i] = fmt.Sprintf("conspicuous-%d-%d-%s", n, i, strings.Repeat("x", 20))
	}
	return func(w *hook.Webhook) {
		w.Secrets = hook.Secrets{
			Current: hook.NewSecret(texts[0]), Next: hook.NewSecret(texts[1]), Previous: hook.NewSecret(texts[2]), PreviousUntil: time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond),
		}
		w.Settings.Headers = map[string]string{"X-Token": texts[3]}
		if n%2 == 0 {
			w.Settings.Authorization.Basic = &hook.BasicAuth{Username: "u", Password: hook.NewSecret(texts[4])}
		} else {
			w.Settings.Authorization.OAuth2 = &hook.ClientCredentials{TokenURL: "https://t.example", ClientID: "c", ClientSecret: hook.NewSecret(texts[5])}
		}
		w.Settings.TLS = hook.TLS{Certificate: texts[6], Key: hook.NewSecret(texts[7])}
	}, texts
}

// contents returns all that a database stores: the files of SQLite, or the rows of all tables of PostgreSQL.
func contents(t testing.TB, database string) []byte {
	t.Helper()
	if !store.IsPostgres(database) {
		var all []byte
		for _, suffix := range []string{"", "-wal"} {
			text, err := os.ReadFile(database + suffix)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			all = append(all, text...)
		}
		return all
	}
	conn, err := pgx.Connect(t.Context(), database)
	must(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	names, err := conn.Query(t.Context(), `SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'`)
	must(t, err)
	tables, err := pgx.CollectRows(names, pgx.RowTo[string])
	must(t, err)
	var all bytes.Buffer
	for _, table := range tables {
		rows, err := conn.Query(t.Context(), `SELECT r::text FROM `+table+` r`)
		must(t, err)
		texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
		must(t, err)
		for _, text := range texts {
			all.WriteString(text + "\n")
		}
	}
	return all.Bytes()
}

// hidden fails when one of the texts is stored in plain, or as the hexadecimal digits by which PostgreSQL shows bytes.
func hidden(t testing.TB, when, database string, texts []string) {
	t.Helper()
	all := contents(t, database)
	for _, text := range texts {
		if bytes.Contains(all, []byte(text)) || bytes.Contains(all, []byte(hex.EncodeToString([]byte(text)))) {
			t.Errorf("%s: %s is stored in plain", when, text)
		}
	}
}

// resealed waits until nothing is left that is not under the primary key.
func resealed(t testing.TB, s *storetest.Opened) {
	t.Helper()
	for range 1_000 {
		must(t, s.Reseal(t.Context(), moment()))
		if found := s.MasterKeys(); found.Remaining == 0 && found.Problem == "" {
			return
		}
	}
	t.Fatalf("not all is sealed anew: %+v", s.MasterKeys())
}

// emptied waits until SQLite's log is empty, which a running store sees to.
func emptied(t testing.TB, database string) {
	t.Helper()
	if store.IsPostgres(database) {
		return
	}
	look, deadline := time.NewTicker(20*time.Millisecond), time.Now().Add(20*time.Second)
	defer look.Stop()
	for range look.C {
		info, err := os.Stat(database + "-wal")
		if err != nil || info.Size() == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log is %d bytes long", info.Size())
		}
	}
}

// After a rotation everything is sealed with the new key: webhooks, deleted ones too, and answers. The old key can be removed, no text
// under it is left, and each webhook has the secrets that it had.
func TestRotation(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		sealer := newChanging(sealtest.Keyset())
		s := e.Open(t, sealer.option())
		first := sealer.Primary()
		var texts []string
		want := map[hook.WebhookID]hook.Secrets{}
		for n := range 2*store.ResealRowsMax + 3 {
			edit, secret := withSecrets(n)
			w := webhook(t, s, theCenter, edit)
			texts, want[w.ID] = append(texts, secret...), w.Secrets
			if n%10 == 0 {
				must(t, s.DeleteWebhook(t.Context(), theCenter, w.ID, moment()))
				want[w.ID] = hook.Secrets{Current: w.Secrets.Current} // a rotation ends with its webhook
			}
		}
		key := &store.Once[*hook.Webhook]{Key: "k", Secret: true, Encode: func(w *hook.Webhook, _ error) (store.Answer, bool) {
			return store.Answer{Status: 201, Body: []byte(w.Secrets.Current.Reveal())}, true
		}}
		draft := &hook.Webhook{ID: hook.WebhookID{UUID: newUUID()}, ContactCenter: theCenter, Settings: hook.DefaultSettings(), Secrets: hook.Secrets{Current: hook.NewSecret("conspicuous-answer-0123456789")}}
		_, err := s.CreateWebhook(t.Context(), moment(), draft, key)
		must(t, err)
		texts = append(texts, "conspicuous-answer-0123456789")
		hidden(t, "before", s.Database(), texts)

		sealer.keyset.Store(rotated(t, sealer.keyset.Load()))
		resealed(t, s)
		hidden(t, "after", s.Database(), texts)
		only, err := sealer.keyset.Load().Without([]uint32{first})
		must(t, err)
		for _, k := range s.MasterKeys().Keys {
			if k.Number == first && k.Records != 0 {
				t.Errorf("%d records are under the old key", k.Records)
			}
		}
		sealer.keyset.Store(only)
		s.Reopen(t)
		for id, secrets := range want {
			var got *hook.Webhook
			for n := range len(want) + 1 {
				if w, ok := s.WebhookByNumber(hook.WebhookNumber(n + 1)); ok && w.ID == id {
					got = w
				}
			}
			if got == nil || !got.Secrets.Equal(&secrets) {
				t.Errorf("webhook %s has other secrets than before", id)
			}
		}
		_, err = s.CreateWebhook(t.Context(), moment(), draft, key)
		if answered := new(store.AnsweredError); !errors.As(err, &answered) || string(answered.Body) != "conspicuous-answer-0123456789" {
			t.Errorf("repeated: %v", err)
		}
		log, _, err := s.AuditLog(t.Context(), 0, store.AuditFilter{Action: "masterKey.rotate"}, store.Page{})
		if err != nil || len(log) != 1 || log[0].Subject != fmt.Sprint(only.Primary()) {
			t.Errorf("the audit log has %+v, %v", log, err)
		}
	})
}

// Several nodes seal anew beside each other, while webhooks are changed: nothing is lost, and no change is undone.
func TestRotationBesideChanges(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		sealer := newChanging(sealtest.Keyset())
		nodes := []*storetest.Opened{e.Open(t, sealer.option())}
		if e.Shared {
			nodes = append(nodes, nodes[0].Join(t), nodes[0].Join(t))
		}
		const webhooks = 100
		var ids []hook.WebhookID
		for n := range webhooks {
			edit, _ := withSecrets(n)
			ids = append(ids, webhook(t, nodes[0], theCenter, edit).ID)
		}
		for round := range 3 {
			sealer.keyset.Store(rotated(t, sealer.keyset.Load()))
			var wg sync.WaitGroup
			for _, s := range nodes {
				wg.Go(func() { resealed(t, s) })
			}
			for n, id := range ids {
				_, err := nodes[n%len(nodes)].UpdateWebhook(t.Context(), theCenter, id, moment(), func(w *hook.Webhook) error {
					w.Secrets.Current = hook.NewSecret(fmt.Sprintf("round %d of webhook %d", round, n))
					return nil
				})
				must(t, err)
			}
			wg.Wait()
			resealed(t, nodes[0])
			nodes[0].Reopen(t) // reads what is stored
			for n, id := range ids {
				w, err := nodes[0].Webhook(t.Context(), theCenter, id)
				must(t, err)
				if got, want := w.Secrets.Current.Reveal(), fmt.Sprintf("round %d of webhook %d", round, n); got != want {
					t.Errorf("webhook %d: %s, want %s", n, got, want)
				}
			}
		}
	})
}

// Sealing anew that fails, before its commit or after it, is done again, and nothing is lost.
func TestRotationFails(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		sealer := newChanging(sealtest.Keyset())
		s := e.Open(t, sealer.option())
		edit, _ := withSecrets(0)
		w := webhook(t, s, theCenter, edit)
		for _, when := range []storetest.Moment{storetest.BeforeCommit, storetest.AfterCommit} {
			sealer.keyset.Store(rotated(t, sealer.keyset.Load()))
			s.Faulty.Fail(when, 1_000, hook.ErrUnavailable)
			wantError(t, s.Reseal(t.Context(), moment()), hook.ErrUnavailable)
			s.Faulty.Mend()
			resealed(t, s)
			s.Reopen(t)
			if got, err := s.Webhook(t.Context(), theCenter, w.ID); err != nil || !got.Secrets.Equal(&w.Secrets) {
				t.Errorf("other secrets than before: %v", err)
			}
		}
	})
}

// What a store of before holds in plain is sealed after the upgrade, and is nowhere in its files any more.
func TestUpgradeSeals(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		database, version, blob := e.Empty(t), int64(5), func(id string) string { return "x'" + strings.ReplaceAll(id, "-", "") + "'" }
		if e.Shared {
			version, blob = 4, func(id string) string { return "'" + id + "'" }
		}
		must(t, store.MigrateTo(t.Context(), database, version))
		inserts := []string{`INSERT INTO contact_centers (number, id, name, created_at) VALUES (1, 'default', '', 1)`}
		var texts []string
		const webhooks = 150
		for n := range webhooks {
			secret, token := fmt.Sprintf("conspicuous-secret-%04d-0123456789", n), fmt.Sprintf("conspicuous-token-%04d-0123456789", n)
			texts = append(texts, secret, token)
			id, deleted := newUUID().String(), 0
			if n%7 == 0 {
				deleted = 1
			}
			inserts = append(inserts, fmt.Sprintf(`INSERT INTO webhooks (center, number, id, settings, secret, enabled, created_at, updated_at, deleted_at)
				VALUES (1, %d, %s, '{"url":"https://a.example","headers":{"X-Token":"%s"}}', '%s', 1, 1, 1, %d)`, n+1, blob(id), token, secret, deleted))
		}
		texts = append(texts, "conspicuous-answer")
		body := fmt.Sprintf("%x", `{"id":"x","secret":"conspicuous-answer"}`)
		fingerprint := strings.Repeat("00", 32)
		if e.Shared {
			body, fingerprint = `\x`+body, `\x`+fingerprint
		}
		x := map[bool]string{true: "", false: "x"}[e.Shared]
		inserts = append(inserts, fmt.Sprintf(`INSERT INTO answers (center, key, fingerprint, status, body, at) VALUES (1, 'k', %s'%s', 201, %s'%s', %d)`,
			x, fingerprint, x, body, moment().UnixMilli()))
		must(t, store.Tamper(t.Context(), database, inserts...))
		if all := contents(t, database); !bytes.Contains(all, []byte(texts[0])) {
			t.Fatal("the store of before does not hold what is looked for")
		}
		var known []uint32
		asked := 0
		s := e.Open(t, storetest.With(func(o *store.Options) {
			o.Database, o.Sealer, o.FindSealer = database, nil, func(numbers []uint32) (store.Sealer, error) {
				asked, known = asked+1, numbers
				return sealtest.Keyset(), nil
			}
		}))
		if asked != 1 || len(known) != 0 {
			t.Errorf("the sealer was asked for %d times, with the keys %v", asked, known)
		}
		check := func(when string) {
			t.Helper()
			for n := range webhooks {
				w, ok := s.WebhookByNumber(hook.WebhookNumber(n + 1))
				if !ok || w.Secrets.Current.Reveal() != texts[2*n] || w.Settings.Headers["X-Token"] != texts[2*n+1] {
					t.Fatalf("%s: webhook %d is another one", when, n+1)
				}
			}
		}
		check("after the upgrade")
		resealed(t, s)
		emptied(t, database)
		hidden(t, "after the upgrade", database, texts)
		s.Reopen(t)
		check("after a restart")
		_, err := s.RotateSecrets(t.Context(), theCenter, hook.WebhookID{}, moment(), &store.Once[*hook.Webhook]{Key: "k"}, nil)
		if answered := new(store.AnsweredError); !errors.As(err, &answered) || !bytes.Contains(answered.Body, []byte("conspicuous-answer")) {
			t.Errorf("the answer of before: %v", err)
		}
		if !slices.Equal(known, []uint32{sealtest.Keyset().Primary()}) {
			t.Errorf("asked for the keys %v", known)
		}
	})
}

// A start without a key that is needed is refused, names it, and changes nothing; one that is not needed any more may be missing.
func TestStartWithOtherKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		first := sealtest.Keyset()
		both := rotated(t, first)
		second, err := both.Without([]uint32{first.Primary()})
		must(t, err)
		other, err := seal.New()
		must(t, err)
		s := e.Open(t)
		database := s.Database()
		edit, _ := withSecrets(1)
		webhook(t, s, theCenter, edit)
		s.Stop(t)
		try := func(k store.Sealer) error {
			opened, err := store.Open(t.Context(), store.Options{Sealer: k, Database: database})
			if err == nil {
				err = opened.Close()
			}
			return err
		}
		refused := func(name string, k store.Sealer, missing uint32) {
			t.Helper()
			err := try(k)
			keyset := new(store.KeysetError)
			if !errors.As(err, &keyset) || !slices.Contains(keyset.Missing, missing) || !strings.Contains(err.Error(), fmt.Sprint(missing)) {
				t.Errorf("%s: %v", name, err)
			}
		}
		refused("another keyset", other, first.Primary())
		refused("a key that seals a webhook is missing", second, first.Primary())
		must(t, try(both)) // its new key is used from now on
		refused("the newest key is missing", first, both.Primary())
		refused("the older key is still needed", second, first.Primary())
		sealer := newChanging(both)
		again := e.Open(t, sealer.option(), storetest.With(func(o *store.Options) { o.Database = database }))
		resealed(t, again)
		again.Stop(t)
		must(t, try(second))
		must(t, try(both))
		_, err = store.Open(t.Context(), store.Options{Database: database, FindSealer: func([]uint32) (store.Sealer, error) { return nil, errors.New("no keyset") }})
		if err == nil || !strings.Contains(err.Error(), "no keyset") {
			t.Errorf("without a sealer: %v", err)
		}
	})
}
