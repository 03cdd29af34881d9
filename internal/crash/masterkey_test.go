package crash_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
	"github.com/hookswitch/hookswitch/signature"
)

const (
	// sealedWebhooks is how many webhooks are sealed anew: several transactions.
	sealedWebhooks = 200
	// rotations is how often the master key is rotated, and sealingKills how often servers are killed after each.
	rotations    = 3
	sealingKills = 4
	// sealingWithin is how soon after a start a server is killed: while it seals anew.
	sealingWithin = 150 * time.Millisecond
)

// safe is many webhooks, each with a secret and a header of its own, and their receiver.
type safe struct {
	*fleet
	receiver *httptest.Server
	keyset   string
	ids      []string

	mu       sync.Mutex // guards verified
	verified map[int]int
}

func (s *safe) secret(n int) string { return fmt.Sprintf("the-secret-of-webhook-%d", n) }

// ServeHTTP takes a webhook that is signed with its own secret and has its own header.
func (s *safe) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	body, failed := io.ReadAll(r.Body)
	if err != nil || failed != nil || r.Header.Get("X-Token") != s.secret(n) || signature.Verify(r.Header, body, []byte(s.secret(n))) != nil {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verified[n]++
}

// create makes a webhook; the answer is kept, sealed because it shows the secret.
func (s *safe) createWebhook(ctx context.Context, n int) string {
	s.t.Helper()
	a, err := s.serving().call(ctx, http.MethodPost, "/v1/webhooks", map[string]any{
		"url": fmt.Sprintf("%s/%d", s.receiver.URL, n), "secret": s.secret(n), "headers": map[string]any{"X-Token": s.secret(n)}, "requestTimeout": "1s",
	}, fmt.Sprintf("webhook-%d", n))
	var made struct{ ID, Secret string }
	if err == nil {
		err = a.decode(&made)
	}
	if err != nil || made.Secret != s.secret(n) {
		s.t.Fatalf("create webhook %d: %v, %d %s", n, err, a.status, a.body)
	}
	return made.ID
}

// check has every webhook sign a test, and every answer that was kept given again.
func (s *safe) check(ctx context.Context, when string) {
	s.t.Helper()
	s.verified = map[int]int{}
	for n, id := range s.ids {
		s.ask(ctx, http.MethodPost, "/v1/webhooks/"+id+"/test", nil, nil)
		if again := s.createWebhook(ctx, n); again != id {
			s.t.Fatalf("%s: webhook %d was made again", when, n)
		}
	}
	for n := range s.ids {
		if s.verified[n] != 1 {
			s.t.Errorf("%s: webhook %d signed %d tests as its receiver expects, want 1", when, n, s.verified[n])
		}
	}
}

// keys runs `hookswitch keys` where the keyset is.
func (s *safe) keys(ctx context.Context, args ...string) {
	s.t.Helper()
	command := exec.CommandContext(ctx, s.servers[0].program, append([]string{"keys"}, args...)...)
	command.Env = append(os.Environ(), "HOOKSWITCH_ADMIN_KEY="+adminKey, "HOOKSWITCH_MASTER_KEYSET_FILE="+s.keyset)
	if p := s.serving(); p != nil {
		command.Env = append(command.Env, "HOOKSWITCH_SERVER="+p.url)
	}
	if out, err := command.CombinedOutput(); err != nil {
		s.t.Fatalf("keys %v: %v\n%s", args, err, out)
	}
}

// sealed waits until everything is under the primary key.
func (s *safe) sealed(ctx context.Context) {
	s.t.Helper()
	s.until(ctx, "everything to be sealed anew", func() bool {
		var status struct {
			Primary, Remaining int64
			Keys               []struct{ Number, Records int64 }
			Problem            string
		}
		s.ask(ctx, http.MethodGet, "/v1/master-key", nil, &status)
		for _, k := range status.Keys {
			if k.Records == 2*sealedWebhooks { // with the answers
				return k.Number == status.Primary && status.Remaining == 0 && status.Problem == ""
			}
		}
		return false
	})
}

// TestCrashMasterKeyRotated kills servers while the master key is rotated and everything is sealed anew: no secret is lost, and in the
// end the keys of before are needed by nobody.
func TestCrashMasterKeyRotated(t *testing.T) {
	t.Parallel()
	eachFleet(t, func(ctx context.Context, f *fleet) {
		s := &safe{fleet: f, keyset: filepath.Join(f.t.TempDir(), "master.keyset"), verified: map[int]int{}}
		s.receiver = httptest.NewServer(s)
		f.t.Cleanup(s.receiver.Close)
		if err := os.WriteFile(s.keyset, []byte(sealtest.Text), 0o600); err != nil {
			f.t.Fatal(err)
		}
		for _, server := range f.servers {
			server.stop()
			server.keyset = s.keyset
			server.start()
		}
		for n := range sealedWebhooks {
			s.ids = append(s.ids, s.createWebhook(ctx, n))
		}
		for range rotations {
			s.keys(ctx, "rotate-master")
			for n := range sealingKills {
				f.strike(ctx, n%len(f.servers), sealingWithin)
				f.servers[n%len(f.servers)].start()
			}
		}
		s.sealed(ctx)
		s.check(ctx, "after the rotations")
		s.keys(ctx, "rotate-master", "--prune")
		for _, server := range f.servers {
			server.stop()
			server.start()
		}
		s.check(ctx, "without the old keys")
	})
}
