package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hookswitch/hookswitch/internal/config"
	"github.com/hookswitch/hookswitch/internal/gate"
)

// entry is where a node is reached: by callers and, where it is configured, by its operators.
type entry struct {
	listener *gate.Listener
	// certificate is nil for plain HTTP.
	certificate *gate.Certificate
	// operations is nil where there is no such listener.
	operations *gate.Listener
}

// certificateError is a pair of tls-cert and tls-key that cannot be used: the start is refused, and nothing was done.
type certificateError struct{ error }

// Error names the keys of the configuration.
func (e *certificateError) Error() string {
	return "tls-cert and tls-key cannot be used: " + e.error.Error()
}

// Unwrap returns the reason.
func (e *certificateError) Unwrap() error { return e.error }

// openEntry takes the addresses and reads the certificate.
func openEntry(ctx context.Context, c *config.Config, log *slog.Logger, metrics *prometheus.Registry) (_ entry, err error) {
	var e entry
	defer func() {
		if err != nil {
			err = errors.Join(err, e.free())
		}
	}()
	if c.TLS.Cert != "" {
		if e.certificate, err = gate.OpenCertificate(c.TLS.Cert, c.TLS.Key, log); err != nil {
			return e, &certificateError{err}
		}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return e, listenError(c.Listen, err)
	}
	e.listener = gate.Limit(l, c.Limits.Connections, c.Limits.ConnectionsPerAddress)
	if c.Operations != "" {
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", c.Operations); err != nil {
			return e, fmt.Errorf("cannot listen for operators on %s: %w; --operations-listen takes another address", c.Operations, err)
		}
		e.operations = gate.Limit(l, gate.OperationsConnectionsMax, gate.OperationsConnectionsMax)
		at, err := netip.ParseAddrPort(l.Addr().String())
		if err != nil || !at.Addr().Unmap().IsLoopback() {
			log.Warn("operations-listen asks for no key, and others than this machine may reach it: metrics and profiles are for all who do", "address", l.Addr().String())
		}
	}
	gate.Register(metrics, e.listener, e.certificate)
	return e, nil
}

// free frees the addresses of an entry that nobody serves.
func (e entry) free() error {
	var failed []error
	for _, l := range []*gate.Listener{e.listener, e.operations} {
		if l != nil {
			failed = append(failed, l.Close())
		}
	}
	return errors.Join(failed...)
}

// localURL returns the URL of the server as this machine reaches it.
func (e entry) localURL() string {
	scheme := "http"
	if e.certificate != nil {
		scheme = "https"
	}
	return scheme + "://" + reachable(e.listener.Addr())
}

// reachable returns an address by which this machine reaches a listener.
func reachable(at net.Addr) string {
	address, err := netip.ParseAddrPort(at.String())
	if err == nil && address.Addr().IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", address.Port())
	}
	return at.String()
}

// serve answers requests until ctx ends, then those that are in flight.
func (n *node) serve(ctx context.Context) error {
	inner := n.handler()
	server := gate.NewServer(gate.Protect(inner, n.publicURL(), n.api.RefuseOrigin()), n.certificate, n.log)
	server.ConnState = n.listener.Follow
	defer context.AfterFunc(ctx, func() {
		n.api.Drain()
		n.console.Drain()
	})()
	return serveUntil(ctx, server, n.listener, n.config.DrainTimeout/apiDrainShare)
}

// handler is what callers reach: the console at its path and at /, the API everywhere else.
func (n *node) handler() http.Handler {
	all, console := http.NewServeMux(), n.console.Handler()
	all.Handle("/", n.api.Handler())
	for _, path := range [...]string{"/{$}", "/console", "/console/"} {
		all.Handle(path, console)
	}
	return all
}

// serveOperations answers the operators until ctx ends; without a listener for them it only waits.
func (n *node) serveOperations(ctx context.Context) error {
	if n.operations == nil {
		<-ctx.Done()
		return nil
	}
	n.log.Info("listening for operators", "url", "http://"+reachable(n.operations.Addr()))
	handler := gate.Operations(n.api.Handler(), promhttp.HandlerFor(n.metrics, promhttp.HandlerOpts{}))
	server := gate.NewServer(gate.Protect(handler, "", http.HandlerFunc(refuseOperations)), nil, n.log)
	server.ConnState = n.operations.Follow
	return serveUntil(ctx, server, n.operations, n.config.DrainTimeout/apiDrainShare)
}

func refuseOperations(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "a browser sent this for another origin", http.StatusForbidden)
}

// followCertificate takes new certificates until ctx ends, at once when the process was told to.
func (n *node) followCertificate(told <-chan os.Signal) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		if n.certificate == nil {
			<-ctx.Done()
			return nil
		}
		return n.certificate.Run(ctx, told)
	}
}

// hangups listens for the signal that asks for a look at the certificate, as long as there is one; forget ends that.
func (n *node) hangups() (told chan os.Signal, forget func()) {
	told = make(chan os.Signal, 1)
	if n.certificate == nil {
		return told, func() {}
	}
	signal.Notify(told, syscall.SIGHUP)
	return told, func() { signal.Stop(told) }
}
