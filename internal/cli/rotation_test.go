package cli_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/pgtest"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
	"github.com/hookswitch/hookswitch/receiver"
	"github.com/hookswitch/hookswitch/signature"
)

const (
	// rotationEvery is how long each of the load's workers waits between two interactions.
	rotationEvery = 10 * time.Millisecond
	// rotationWorkers is how many workers a node's load has.
	rotationWorkers = 2
	// rotationFails is how often an event is refused, of one interaction in two, so that its attempts are spread over several steps.
	rotationFails = 3
	// rotationSettles is longer than a POST of before a change may be on its way (--request-timeout).
	rotationSettles = 2 * time.Second
	// rotationPosts is how many POSTs each step must see.
	rotationPosts = 100
)

// rotator is a receiver that rotates its secret: package receiver with a list, and beside it the checks of two that look at
// webhook-signature alone and know one secret at a time: one switches early, the other late.
type rotator struct {
	t       *testing.T
	handler atomic.Pointer[receiver.Handler]
	alone   atomic.Pointer[[2]string]

	mu      sync.Mutex // guards what follows
	begun   map[string]int
	handled map[string]bool
	// posts counts those that were verified, by the place of the secret in the list of the time.
	posts map[int]int
	again int
}

func (r *rotator) accept(secrets ...string) {
	r.t.Helper()
	config := receiver.Config{Handle: r.handle, OnReject: r.rejected}
	for _, secret := range secrets {
		config.Secrets = append(config.Secrets, []byte(secret))
	}
	h, err := receiver.New(config)
	if err != nil {
		r.t.Fatal(err)
	}
	r.handler.Store(h)
}

// errNotNow is why the receiver fails at first.
var errNotNow = errors.New("not now")

func (r *rotator) handle(_ context.Context, e interaction.EntityEvent, d receiver.Delivery) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.posts[d.Secret]++
	if d.Attempt > 1 {
		r.again++
	}
	id := e.Entity.ID
	r.begun[id]++
	if id[len(id)-1]%2 == 0 && r.begun[id] <= rotationFails {
		return errNotNow
	}
	r.handled[id] = true
	return nil
}

// rejected fails the test for every signature that is refused.
func (r *rotator) rejected(req *http.Request, err error) {
	if wrong := new(signature.Error); errors.As(err, &wrong) {
		r.t.Errorf("attempt %s of %s is refused: %v", req.Header.Get(interaction.AttemptHeader), req.Header.Get(interaction.DeliveryHeader), err)
	}
}

func (r *rotator) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	handler, alone := r.handler.Load(), *r.alone.Load()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the sender is gone
	}
	for _, secret := range alone {
		if err := signature.VerifyStandard(req.Header, body, [][]byte{[]byte(secret)}, time.Now(), 0); err != nil {
			r.t.Errorf("%s of attempt %s is refused by who knows %q: %v", signature.StandardHeader, req.Header.Get(interaction.AttemptHeader), secret, err)
		}
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	handler.ServeHTTP(w, req)
}

// seen returns how many POSTs were verified by the place of the secret, and how many of them were redeliveries.
func (r *rotator) seen() (posts map[int]int, again int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.posts), r.again
}

// rotating is a rotation under load.
type rotating struct {
	t        *testing.T
	servers  []string
	client   *http.Client
	receiver *rotator
	made     atomic.Int64
}

// create makes an interaction on a node. Once it is acknowledged, the node knows every change that was acknowledged before.
func (r *rotating) create(ctx context.Context, node int) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.servers[node]+"/v1/interactions",
		strings.NewReader(`{"mediaType":"chat","subtype":"InboundNew","queue":"support"}`))
	if err != nil {
		r.t.Errorf("make request: %v", err)
		return false
	}
	req.Header.Set("x-api-key", adminKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Errorf("create: %v", err)
		return false
	}
	defer resp.Body.Close()
	if answer, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusCreated {
		r.t.Errorf("create: %d %s %v", resp.StatusCode, answer, err)
		return false
	}
	r.made.Add(1)
	return true
}

// load creates interactions on every node until the returned function is called.
func (r *rotating) load() (end func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	for node := range r.servers {
		for range rotationWorkers {
			wg.Go(func() {
				tick := time.NewTicker(rotationEvery)
				defer tick.Stop()
				for r.create(r.t.Context(), node) {
					select {
					case <-done:
						return
					case <-tick.C:
					}
				}
			})
		}
	}
	return sync.OnceFunc(func() {
		close(done)
		wg.Wait()
	})
}

// settle waits until every node signs with the secrets of now and no POST of before is on its way, and then for more POSTs, some
// of them redeliveries.
func (r *rotating) settle(step string) {
	r.t.Helper()
	for node := range r.servers {
		r.create(r.t.Context(), node)
	}
	<-time.After(rotationSettles)
	before, againBefore := r.receiver.seen()
	r.until(step, func() bool {
		now, again := r.receiver.seen()
		return now[0]+now[1] >= before[0]+before[1]+rotationPosts && again > againBefore
	})
}

func (r *rotating) until(what string, done func() bool) {
	r.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(awaitMax)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			posts, again := r.receiver.seen()
			r.t.Fatalf("%s: it takes too long: POSTs by secret %v, %d of them redeliveries", what, posts, again)
		}
	}
}

// command runs the program against one of the nodes.
func (r *rotating) command(node int, args ...string) string {
	r.t.Helper()
	code, stdout, stderr := run(r.t, []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey, "HOOKSWITCH_SERVER=" + r.servers[node]}, "", args...)
	if code != 0 {
		r.t.Fatalf("%v: %s", args, stderr)
	}
	return stdout
}

// TestRotationUnderLoad rotates a secret in the documented steps, while events come in all the time and half of them are refused at first
// and delivered again: nobody refuses one signature, neither who verifies X-Hub-Signature with a list of secrets nor who verifies
// webhook-signature with one, on one node and on two, which hear of a step one after the other. Everything is delivered.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		nodes    int
		database func(*testing.T) string
	}{
		{"one node on SQLite", 1, func(t *testing.T) string { return filepath.Join(t.TempDir(), "h.db") }},
		{"two nodes on PostgreSQL", 2, func(t *testing.T) string { return pgtest.Database(t) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rotateUnderLoad(t, tt.database(t), tt.nodes)
		})
	}
}

func rotateUnderLoad(t *testing.T, database string, nodes int) {
	const first, second = "the first secret", "the second secret"
	to := &rotator{t: t, begun: map[string]int{}, handled: map[string]bool{}, posts: map[int]int{}}
	to.alone.Store(&[2]string{first, first})
	to.accept(first)
	target := httptest.NewServer(to)
	t.Cleanup(target.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	r := &rotating{t: t, client: &http.Client{Transport: transport}, receiver: to}
	for range nodes {
		p := launch(t, []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey, "HOOKSWITCH_MASTER_KEYSET=" + sealtest.Text}, "", "serve",
			"--listen", "127.0.0.1:0", "--database", database, "--allow-private-targets", "127.0.0.0/8")
		r.servers = append(r.servers, p.await(&p.stderr, `msg=listening url=(\S+)`)[1])
	}
	made := r.command(0, "webhooks", "create", "--url", target.URL, "--secret", first, "--request-timeout", "1s", "--retry-timeout", "1s",
		"--retry-max-timeout", "1s", "--retry-attempts", "50", "--circuit-failures", "1000", "--circuit-share", "1", "--json")
	webhook := regexp.MustCompile(`"id": "([0-9a-f-]{36})"`).FindStringSubmatch(made)[1]
	end := r.load()
	t.Cleanup(end)
	last := nodes - 1

	r.settle("before the rotation")
	r.command(0, "webhooks", "secrets", "next", webhook, "--secret", second)
	r.settle("the next secret is there, and the receiver does not know it")
	to.accept(first, second)
	to.alone.Store(&[2]string{second, first})
	r.settle("the receiver accepts both")
	before, _ := to.seen()
	r.command(last, "webhooks", "secrets", "promote", webhook, "--keep-previous", "1h")
	r.settle("the next secret is the current one")
	if after, _ := to.seen(); before[1] != 0 || after[1] == 0 {
		t.Errorf("POSTs with the new secret in X-Hub-Signature: %d before the promotion, %d after it", before[1], after[1])
	}
	to.accept(second)
	to.alone.Store(&[2]string{second, second})
	r.settle("the receiver has dropped the old one")
	r.command(0, "webhooks", "secrets", "expire", webhook)
	r.settle("the old one has ended")
	end()
	r.until("everything is delivered", func() bool {
		to.mu.Lock()
		defer to.mu.Unlock()
		return len(to.handled) == int(r.made.Load())
	})
	posts, again := to.seen()
	t.Logf("%d interactions, POSTs by secret %v, %d of them redeliveries", r.made.Load(), posts, again)
}
