package cli

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/client"
	"github.com/hookswitch/hookswitch/internal/config"
)

// The limits of the demo.
const (
	// demoRateMax bounds how many interactions are opened per second.
	demoRateMax = 1_000
	// demoDrainTimeout bounds how long the end waits until every event is acknowledged and the server agrees.
	demoDrainTimeout = 30 * time.Second
	// demoProgressEvery is how often the end says what it waits for.
	demoProgressEvery = time.Second
	// demoRefuseEvery is every which event the receiver refuses at its first attempt.
	demoRefuseEvery = 7
)

const demoLong = `Show the main job, with nothing configured: start a server on a temporary store, a third-party receiver that verifies every
signature and refuses every seventh event once, and a small contact centre that opens and closes chats and secure e-mails
through the HTTP API. Each webhook is printed as it is acknowledged.

Ctrl-C, or --for, stops the opening; what is open is closed, and every event is waited for. The summary is counted by the
contact centre and the receiver on their own, and compared with the server's deliveries. The exit code is 0 only when every
event was acknowledged, in order and verified. The store is removed at the end.`

// demoOptions are the flags of `demo`.
type demoOptions struct {
	span  time.Duration
	rate  float64
	seed  uint64
	quiet bool
	json  bool
}

func (a *app) demoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "Show the main job at work, with nothing configured",
		Long:    demoLong,
		Example: "  hookswitch demo\n  hookswitch demo --for 10s --rate 20",
		Args:    args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !(o.rate > 0 && o.rate <= demoRateMax) || o.span < 0 { // so that NaN fails too
				return usageErrorf("--rate must be above 0 and at most %d, and --for not negative", demoRateMax)
			}
			return a.demo(cmd.Context(), o)
		},
	}
	cmd.Flags().DurationVar(&o.span, "for", 0, "how long interactions are opened (default: until Ctrl-C)")
	cmd.Flags().Float64Var(&o.rate, "rate", 5, "how many interactions are opened per second")
	cmd.Flags().Uint64Var(&o.seed, "seed", 1, "what the contact centre's choices are drawn from")
	cmd.Flags().BoolVar(&o.quiet, "quiet", false, "print the summary only")
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object per webhook, and the summary as the last one")
	return cmd
}

// demo is one run of the demonstration.
type demo struct {
	app     *app
	options demoOptions
	node    *node
	key     string
	secret  string
	ledger  *ledger
	client  *client.Client
	webhook string
}

// demo sets the stage and removes it afterwards.
func (a *app) demo(ctx context.Context, o demoOptions) (err error) {
	folder, err := os.MkdirTemp("", "hookswitch-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the store: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	d := &demo{app: a, options: o, key: adminKeyPrefix + randomText(), secret: randomText()}
	d.ledger = newLedger(a, o)
	handler, err := d.ledger.receiver(d.secret)
	if err != nil {
		return err
	}
	c, err := config.Load(config.Sources{
		Env: func(string) (string, bool) { return "", false }, // the environment is for the real server
		Flag: func(name string) (string, bool) {
			value, ok := map[string]string{
				"listen": "127.0.0.1:0", "database": filepath.Join(folder, "demo.db"), "admin-key": d.key,
				"allow-private-targets": "127.0.0.0/8", "log-level": "error", "drain-timeout": "5s",
			}[name]
			return value, ok
		},
	})
	if err != nil {
		return err
	}
	log, err := a.logger(c.Log)
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the receiver: %w", err)
	}
	if d.node, err = openNode(ctx, c, log); err != nil {
		return errors.Join(err, l.Close())
	}
	return d.run(ctx, l, handler)
}

// run runs the server, the receiver and the contact centre, and ends them from the outside in.
func (d *demo) run(ctx context.Context, l net.Listener, handler http.Handler) (err error) {
	web := start(ctx, func(ctx context.Context) error {
		server := &http.Server{Handler: handler, ReadHeaderTimeout: listenHeaderTimeout, ReadTimeout: listenReadTimeout, ErrorLog: quiet()}
		return serveUntil(ctx, server, l, listenEndTimeout)
	})
	defer func() { err = errors.Join(err, web.stop()) }()
	ready := make(chan struct{})
	server := start(ctx, func(ctx context.Context) error {
		return d.node.run(ctx, func(string) { close(ready) })
	})
	defer func() { err = errors.Join(err, server.stop()) }()
	select {
	case <-ready:
	case <-server.ended:
		return errors.New("the server ended before it was ready")
	}
	doer := &http.Client{Timeout: requestTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: demoRateMax}}
	defer doer.CloseIdleConnections()
	if d.client, err = newClient(d.node.localURL(), credential{key: d.key}, "", doer); err != nil {
		return err
	}
	if err := d.subscribe(ctx, "http://"+l.Addr().String()+"/interactions"); err != nil {
		return err
	}
	d.greet(l.Addr().String())
	if err := d.openAndClose(ctx, server.ended); err != nil {
		return err
	}
	return d.conclude(ctx)
}

func (d *demo) greet(receiver string) {
	if d.options.json {
		return
	}
	d.app.tell(fmt.Sprintf("server    %s   API key %s\nconsole   %s   sign in with the API key, and see all of this\nreceiver  http://%s/   refuses every %dth event at its first attempt\n"+
		"meanwhile curl -H 'x-api-key: %s' '%s/v1/interactions?state=open'\n\n",
		d.node.localURL(), d.key, d.node.consoleURL(), receiver, demoRefuseEvery, d.key, d.node.localURL()))
}

// subscribe creates the receiver's webhook. A short retry shows the redelivery while one watches.
func (d *demo) subscribe(ctx context.Context, url string) error {
	body, err := jsonBody(map[string]any{
		"url": url, "secret": d.secret, "description": "the demo's receiver", "requestTimeout": "5s",
		"retry": map[string]any{"timeout": "500ms", "attempts": 20, "backoff": 1, "maxTimeout": "500ms", "jitter": 0},
	})
	if err != nil {
		return err
	}
	raw, err := d.ask(func() (*http.Response, error) { return d.client.CreateWebhookWithBody(ctx, nil, contentJSON, body) })
	if err != nil {
		return fmt.Errorf("create the webhook: %w", err)
	}
	d.webhook, err = idOf(raw)
	return err
}

func (d *demo) ask(call func() (*http.Response, error)) ([]byte, error) {
	return ask(d.node.localURL(), call)
}

// openAndClose lets the contact centre work until ctx ends or the time is over, and then close what is open.
func (d *demo) openAndClose(ctx context.Context, serverEnded <-chan struct{}) error {
	opening, stop := context.WithCancel(ctx)
	defer stop()
	if d.options.span > 0 {
		opening, stop = context.WithTimeout(ctx, d.options.span)
		defer stop()
	}
	center := start(ctx, func(ctx context.Context) error { return d.work(ctx, opening.Done()) })
	select {
	case <-opening.Done():
	case <-center.ended: // it cannot go on
	case <-serverEnded:
		return errors.Join(errors.New("the server ended in the middle of the demo"), center.stop())
	}
	select {
	case <-center.ended:
	case <-time.After(demoDrainTimeout):
	}
	return center.stop()
}

// conclude waits until every event was acknowledged, asks the server for its own count, and judges.
func (d *demo) conclude(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), demoDrainTimeout)
	defer cancel()
	d.awaitAll(ctx)
	counts := d.ledger.counts()
	if err := d.askServer(ctx, &counts); err != nil {
		counts.Errors = append(counts.Errors, err.Error())
	}
	counts.judge()
	if err := d.printSummary(counts); err != nil {
		return err
	}
	if !counts.Proven {
		return &silentError{errors.New("not every event was acknowledged in order and verified")}
	}
	return nil
}

// awaitAll waits for the acknowledgement of every accepted event, and says now and then for how many.
func (d *demo) awaitAll(ctx context.Context) {
	tick := time.NewTicker(demoProgressEvery)
	defer tick.Stop()
	for {
		left, changed := d.ledger.left()
		if left == 0 {
			return
		}
		select {
		case <-changed:
		case <-tick.C:
			d.app.tell(fmt.Sprintf("waiting for the acknowledgement of %d events\n", left))
		case <-ctx.Done():
			return
		}
	}
}

// randomText returns 43 characters of base64url made of 32 random bytes.
func randomText() string {
	var random [32]byte
	rand.Read(random[:]) // never fails: see crypto/rand
	return base64.RawURLEncoding.EncodeToString(random[:])
}
