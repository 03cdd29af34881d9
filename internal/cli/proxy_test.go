package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/egress/egresstest"
)

// received notes what a receiver got, in order.
type received struct {
	mu     sync.Mutex // guards events
	events []string
}

func (r *received) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	var p struct {
		Data struct {
			Entities []struct {
				Event  interaction.Event
				Entity struct{ ID string }
			}
		}
	}
	if err := json.NewDecoder(request.Body).Decode(&p); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	for _, e := range p.Data.Entities {
		r.events = append(r.events, e.Entity.ID+" "+string(e.Event)+" "+request.Header.Get(interaction.AttemptHeader))
	}
	r.mu.Unlock()
}

// A proxy goes away and comes back in every way that it can: nothing is lost, nothing comes out of order, no attempt is used up, and the
// password is nowhere.
func TestServeThroughProxy(t *testing.T) {
	const secret = "s3cret-of-the-proxy"
	login := egresstest.Behaviour{User: "hookswitch", Password: secret}
	with := func(change func(*egresstest.Behaviour)) egresstest.Behaviour {
		b := login
		change(&b)
		return b
	}
	for scheme, away := range map[string]egresstest.Behaviour{
		"http":   with(func(b *egresstest.Behaviour) { b.Password = "another" }),
		"socks5": with(func(b *egresstest.Behaviour) { b.Reply = 1 }),
	} {
		t.Run(scheme, func(t *testing.T) {
			got := &received{}
			receiver := httptest.NewServer(got)
			defer receiver.Close()
			proxy := egresstest.Start(t, scheme, nil, login)
			server := launch(t, []string{
				"HOOKSWITCH_ADMIN_KEY=" + adminKey, fmt.Sprintf("HOOKSWITCH_EGRESS_PROXY=%s://hookswitch:%s@%s", scheme, secret, proxy.Address),
			}, "", "serve", "--listen", "127.0.0.1:0", "--allow-private-targets", "127.0.0.0/8", "--database", filepath.Join(t.TempDir(), "h.db"), "--log-level", "debug")
			url := server.await(&server.stderr, `msg=listening url=(\S+)`)[1]
			env := []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey, "HOOKSWITCH_SERVER=" + url}
			all := ""
			must := func(args ...string) string {
				t.Helper()
				code, stdout, stderr := run(t, env, "", args...)
				if code != 0 {
					t.Fatalf("%s: %s", strings.Join(args, " "), stderr)
				}
				all += stdout + stderr
				return stdout
			}
			idOf := func(document string) string {
				var o struct{ ID string }
				if err := json.Unmarshal([]byte(document), &o); err != nil || o.ID == "" {
					t.Fatalf("%s: %v", document, err)
				}
				return o.ID
			}
			id := idOf(must("webhooks", "create", "--url", receiver.URL, "--retry-attempts", "0", "--circuit-failures", "1", "--json"))
			var ids []string
			create := func() {
				ids = append(ids, idOf(must("interactions", "create", "--queue", "q", "--json")))
				must("interactions", "stop", ids[len(ids)-1])
			}
			delivered := func(want int) {
				t.Helper()
				tick, limit := time.NewTicker(20*time.Millisecond), time.NewTimer(time.Minute)
				defer tick.Stop()
				defer limit.Stop()
				for {
					list := must("deliveries", "list")
					if strings.Count(list, "delivered") == want && !strings.Contains(list, "exhausted") {
						return
					}
					select {
					case <-tick.C:
					case <-limit.C:
						t.Fatalf("the deliveries are\n%s\n%s", list, server.stderr.String())
					}
				}
			}
			create()
			delivered(2)
			proxy.Down() // tunnels break too
			create()
			server.await(&server.stderr, `the egress proxy fails: deliveries wait and use up no attempts.*cannot be reached: connection refused`)
			proxy.Do(away)
			proxy.Up()
			create()
			_, stdout, stderr := run(t, env, "", "webhooks", "test", id)
			if all += stdout + stderr; !strings.Contains(stdout+stderr, "the egress proxy") {
				t.Errorf("the test says %s%s", stdout, stderr)
			}
			must("health") // it is ready all the same
			proxy.Do(login)
			delivered(6)
			server.await(&server.stderr, `the egress proxy works again`)
			for i, event := range got.events {
				if !strings.HasSuffix(event, " 1") {
					t.Errorf("event %d came as %s", i, event)
				}
			}
			for _, id := range ids {
				if started, finished := slices.Index(got.events, id+" STARTED 1"), slices.Index(got.events, id+" FINISHED 1"); started < 0 || finished < started {
					t.Errorf("%s: %v", id, got.events)
				}
			}
			server.stop()
			if all += server.stderr.String() + server.stdout.String(); strings.Contains(all, secret) {
				t.Error("the password is somewhere")
			}
		})
	}
}
