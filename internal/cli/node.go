package cli

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/hookswitch/hookswitch/internal/api"
	"github.com/hookswitch/hookswitch/internal/config"
	"github.com/hookswitch/hookswitch/internal/console"
	"github.com/hookswitch/hookswitch/internal/delivery"
	"github.com/hookswitch/hookswitch/internal/egress"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/token"
	"github.com/hookswitch/hookswitch/internal/trace"
)

// apiDrainShare is the part of the drain timeout that requests in flight may take; the rest is the deliveries'.
const apiDrainShare = 3

// node is one server: a store, the engine that delivers from it and the API before it, on a listener.
type node struct {
	config *config.Config
	log    *slog.Logger
	entry
	store  *store.Store
	egress *egress.Client
	engine *delivery.Engine
	api    *api.Server
	// console is the web console.
	console *console.Server
	// tracer is nil when nothing is traced.
	tracer  *trace.Tracer
	metrics *prometheus.Registry
}

// openNode takes the address and opens the store. Nothing runs before [node.run], which also closes what is opened here.
func openNode(ctx context.Context, c *config.Config, log *slog.Logger) (_ *node, err error) {
	n := &node{config: c, log: log}
	if err := c.CheckMaster(); err != nil {
		return nil, err
	}
	if err := sharedKeyset(c); err != nil {
		return nil, err
	}
	n.metrics = prometheus.NewRegistry()
	if n.entry, err = openEntry(ctx, c, log, n.metrics); err != nil {
		return nil, err
	}
	traced, err := n.startTracing(ctx)
	if err != nil {
		return nil, errors.Join(err, n.free())
	}
	n.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	n.store, err = store.Open(ctx, store.Options{
		Database: c.Database, PublicURL: n.publicURL(), Lease: c.Lease, Retention: c.Retention, NoticeQuiet: c.NoticeQuiet,
		FindSealer: masterKeyset(c, log), Accepted: traced.accepted, Log: log, Metrics: n.metrics,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot use the store: %w", err), n.free())
	}
	if err := n.checkLease(ctx); err != nil {
		return nil, errors.Join(err, n.store.Close(), n.free())
	}
	issuer, err := n.tokenIssuer()
	if err != nil {
		return nil, errors.Join(err, n.store.Close(), n.free())
	}
	version := readBuild().Version
	n.egress = egress.New(egress.Options{AllowPrivate: c.Targets.AllowPrivate, Proxy: egressProxy(c.Targets.Proxy), Direct: c.Targets.Direct})
	out := &outlet{web: n.egress, tokens: token.New(n.egress, version), mail: newMailer(&c.Mail, version)}
	n.engine = delivery.New(delivery.Options{
		Queue: n.store, Sender: out, Disabler: n.store, Tracer: traced.posts, Log: log, Metrics: n.metrics, MetricsWebhooks: c.Metrics.Webhooks,
		Version: version, PublicURL: n.publicURL(), Lease: c.Lease,
		DrainTimeout: max(c.DrainTimeout-c.DrainTimeout/apiDrainShare, time.Millisecond), // zero would be its default
	})
	n.store.HandTo(n.engine)
	n.api = api.New(api.Options{
		Store: n.store, Tester: n.engine, Token: n.tokenVerifier(issuer), Log: log, Metrics: n.metrics, Version: version, PublicURL: n.publicURL(),
		RequestsMax: c.Limits.Requests, CheckURL: out.check, CheckLease: c.CheckLease, TraceOf: trace.FromHeader,
	})
	n.console, err = console.New(console.Options{
		Store: n.store, Key: n.api.CallerOfKey, Issuer: n.signIn(issuer), Tester: n.engine, Requests: n.engine, CheckURL: out.check, CheckLease: c.CheckLease,
		PublicURL: n.publicURL(), Log: log, Version: version,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the console: %w", err), n.store.Close(), n.free())
	}
	return n, nil
}

// webhooksNamedMax is how many webhooks a refused start names.
const webhooksNamedMax = 5

// checkLease refuses a store with webhooks, enabled or not, whose POSTs the lease cannot hold: their deliveries would be
// claimed and released for ever.
func (n *node) checkLease(ctx context.Context) error {
	var named []string
	count, lease, timeout := 0, time.Duration(0), config.LeaseMax
	for _, center := range n.store.ContactCenters() {
		for page := (store.Page{Limit: store.PageLimitMax}); ; {
			list, next, err := n.store.Webhooks(ctx, center.Number, page)
			if err != nil {
				return fmt.Errorf("list webhooks: %w", err)
			}
			for _, w := range list {
				if n.config.CheckLease(&w.Settings) == nil {
					continue
				}
				if count++; count <= webhooksNamedMax {
					named = append(named, w.ID.String())
				}
				lease, timeout = max(lease, config.LeaseFor(&w.Settings)), min(timeout, n.config.RequestTimeoutMax(&w.Settings))
			}
			if page.Cursor = next; next == "" {
				break
			}
		}
	}
	if count == 0 {
		return nil
	}
	return n.config.Refuse("lease", shortLeaseText(named, count-len(named), lease, timeout))
}

// shortLeaseText names webhooks that need a longer lease, and both ways to mend it.
func shortLeaseText(named []string, more int, lease, timeout time.Duration) string {
	text := "is too short for webhooks in the store: " + strings.Join(named, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	change := "shorten the requestTimeout and batch.linger of each, or raise its rateLimit: hookswitch webhooks update ID"
	if timeout >= time.Duration(hook.RequestTimeoutMin) {
		change = fmt.Sprintf("shorten the requestTimeout of each: hookswitch webhooks update ID --request-timeout %v", hook.Duration(timeout))
	}
	return fmt.Sprintf("%s.\n    Start with a lease of at least %v; or start with that one first, and %s", text, hook.Duration(lease), change)
}

func (n *node) publicURL() string {
	return firstOf(n.config.PublicURL, n.localURL())
}

// consoleURL returns where people find the console: at the address that others know the server by.
func (n *node) consoleURL() string { return n.publicURL() + console.Path }

// run serves until ctx ends or a part of the node fails, and then ends in order: the HTTP server, the engine, the store,
// so that whatever an outer part has accepted is still committed by an inner one. ready is called when requests are
// served, with the admin key if one was made.
func (n *node) run(ctx context.Context, ready func(newKey string)) (err error) {
	defer n.stopTracing(ctx)
	defer func() { err = errors.Join(err, n.store.Close()) }()
	stopStore := start(ctx, n.store.Run)
	defer func() { err = errors.Join(err, stopStore.stop()) }()
	newKey, err := n.ensureAdminKey(ctx)
	if err != nil {
		return errors.Join(fmt.Errorf("keep the admin key: %w", err), n.free())
	}
	defer n.egress.Close()
	engine := start(ctx, n.engine.Run)
	defer func() { err = errors.Join(err, engine.stop()) }()
	told, forget := n.hangups()
	defer forget()
	certificate := start(ctx, n.followCertificate(told))
	defer func() { err = errors.Join(err, certificate.stop()) }()
	operations := start(ctx, n.serveOperations)
	defer func() { err = errors.Join(err, operations.stop()) }()
	web := start(ctx, n.serve)
	defer func() { err = errors.Join(err, web.stop()) }()
	ready(newKey)
	select {
	case <-ctx.Done():
		n.log.Info("ending", "drain_timeout", n.config.DrainTimeout)
	case <-stopStore.ended:
	case <-engine.ended:
	case <-web.ended:
	case <-operations.ended:
	}
	return nil
}

// part is one running part of a node.
type part struct {
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // written before ended is closed
}

// start runs a part under a context of its own, which ends only when the part is stopped.
func start(ctx context.Context, run func(context.Context) error) *part {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &part{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		p.err = run(ctx)
	}()
	return p
}

// stop ends the part and waits for it.
func (p *part) stop() error {
	p.cancel()
	<-p.ended
	return p.err
}

// adminKeyPrefix marks an admin key, for those who look for leaked credentials.
const adminKeyPrefix = "hsk_"

// ensureAdminKey keeps the configured admin key or, where there is none at all, makes one and returns it.
func (n *node) ensureAdminKey(ctx context.Context) (made string, err error) {
	key := n.config.Access.AdminKey.Reveal()
	if key == "" {
		if n.store.HasAdminKey() {
			return "", nil
		}
		var random [32]byte
		rand.Read(random[:]) // never fails: see crypto/rand
		made = adminKeyPrefix + base64.RawURLEncoding.EncodeToString(random[:])
		return made, n.store.MakeAdminKey(ctx, time.Now(), hook.ProofOf(made).Hash)
	}
	return "", n.store.SetAdminKey(ctx, time.Now(), hook.ProofOf(key).Hash)
}
