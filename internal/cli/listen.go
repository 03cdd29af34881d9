package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/signature"
)

// The limits of `listen`.
const (
	// listenBodyBytesMax bounds a body that is read.
	listenBodyBytesMax = 1 << 20
	// listenEventsMax bounds how many events are remembered, to tell duplicates and the order; the oldest are forgotten.
	listenEventsMax = 100_000
	// listenHeaderTimeout bounds how long a sender may take for its headers, and listenReadTimeout for the whole request.
	listenHeaderTimeout = 10 * time.Second
	listenReadTimeout   = time.Minute
	// listenEndTimeout bounds how long the end waits for answers that are still being written.
	listenEndTimeout = 2 * time.Second
)

const listenLong = `Receive webhooks on this machine, on any path: verify each one, print it in a line, and answer 200. What is wrong is
explained below the line: why a signature fails, a body that is not the contract's, an event that was acknowledged
before (duplicate), a FINISHED before its STARTED (out of order).

A webhook whose signature fails is answered with 401, and every refusal with a JSON body that gives the reason code, for the
sender's log. Without a secret nothing is verified: it is printed and answered with 200. Finding out why a signature
fails takes a twentieth of the time at most: of more failures than that only the first cause is given, "wrong_secret" for
a changed body, too.

It can misbehave, to show what a sender makes of that:
  --fail N        answer 500 to the first N requests of every event of every interaction
  --status CODE   answer this instead of 200 to everything that would be acknowledged
  --redirect URL  answer 302 with this Location
  --drop          close the connection without an answer
  --delay D       wait before every answer

With --secret-file more than once each line also says which of them signed, counted from 1: when only the new one does, the old one can go.

Ctrl-C ends it with a summary, and so does --max N when N events have been acknowledged, duplicates not counted.`

// listenOptions are the flags of `listen`.
type listenOptions struct {
	secrets  *secrets
	address  string
	fail     int
	delay    time.Duration
	status   int
	drop     bool
	redirect string
	max      int
	json     bool
}

func (a *app) listenCommand() *cobra.Command {
	var o listenOptions
	cmd := &cobra.Command{
		Use:   "listen",
		Short: "Receive webhooks on this machine: verify, explain, misbehave on request",
		Long:  listenLong,
		Example: `  HOOKSWITCH_SECRET=... hookswitch listen
  hookswitch listen --secret-file app.secret --fail 2 --max 10
  hookswitch listen --listen 127.0.0.1:9000 --status 503 --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := exclusive(cmd, "status", "drop", "redirect"); err != nil {
				return err
			}
			if err := o.validate(); err != nil {
				return err
			}
			return a.listen(cmd.Context(), o)
		},
	}
	o.secrets = a.secretFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.address, "listen", "127.0.0.1:8481", "where to listen, as host:port; port 0 takes a free one")
	flags.IntVar(&o.fail, "fail", 0, "answer 500 to the first `N` requests of every event")
	flags.DurationVar(&o.delay, "delay", 0, "wait before every answer")
	flags.IntVar(&o.status, "status", http.StatusOK, "the status to answer with")
	flags.BoolVar(&o.drop, "drop", false, "close the connection without an answer")
	flags.StringVar(&o.redirect, "redirect", "", "answer 302 to this `URL`")
	flags.IntVar(&o.max, "max", 0, "end after `N` acknowledged events")
	flags.BoolVar(&o.json, "json", false, "print one JSON object per event")
	return cmd
}

func (o *listenOptions) validate() error {
	target, err := url.Parse(o.redirect)
	switch {
	case o.fail < 0 || o.max < 0 || o.delay < 0:
		return usageErrorf("--fail, --max and --delay cannot be negative")
	case o.status < 200 || o.status > 599:
		return usageErrorf("--status must be from 200 to 599")
	case o.redirect != "" && (err != nil || target.Host == ""):
		return usageErrorf("--redirect must be an absolute URL")
	}
	return nil
}

func (a *app) listen(ctx context.Context, o listenOptions) error {
	keys, err := o.secrets.read()
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.address)
	if err != nil {
		return listenError(o.address, err)
	}
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	r := &listenReceiver{app: a, options: o, enough: enough, seen: newMemory(listenEventsMax)}
	verifying := "verifying signatures"
	if len(keys) > 0 {
		r.verifier, r.secrets = signature.NewVerifier(keys...), len(keys)
	} else {
		verifying = "VERIFYING NOTHING: no secret was given (set " + secretEnv + ", or give --secret-file FILE)"
	}
	a.tell(fmt.Sprintf("listening on http://%s/, %s\n", l.Addr(), verifying))
	server := &http.Server{Handler: r, ReadHeaderTimeout: listenHeaderTimeout, ReadTimeout: listenReadTimeout, ErrorLog: quiet()}
	err = serveUntil(ctx, server, l, listenEndTimeout)
	a.tell(r.summary())
	return errors.Join(err, r.printError())
}

// serveUntil serves until ctx ends and then waits, up to the bound, for the answers that are being written.
func serveUntil(ctx context.Context, server *http.Server, l net.Listener, bound time.Duration) error {
	unused := &unusedConns{conns: make(map[net.Conn]bool)}
	server.ConnState = unused.before(server.ConnState)
	served := make(chan error, 1)
	go func() {
		if server.TLSConfig != nil {
			served <- server.ServeTLS(l, "", "") // the certificate is the configuration's
			return
		}
		served <- server.Serve(l)
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	unused.close()
	err := server.Shutdown(end)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close() // those that are still not done were told to wait too long
	}
	if failure := <-served; !errors.Is(failure, http.ErrServerClosed) {
		err = errors.Join(err, failure)
	}
	return err
}

// unusedConns are connections on which no request has come yet. Shutdown gives each of them five seconds; there is nothing
// on them to wait for.
type unusedConns struct {
	mu    sync.Mutex // guards conns and ended
	conns map[net.Conn]bool
	ended bool
}

// before makes a ConnState that follows, and then calls the one that was there.
func (u *unusedConns) before(next func(net.Conn, http.ConnState)) func(net.Conn, http.ConnState) {
	return func(c net.Conn, state http.ConnState) {
		u.follow(c, state)
		if next != nil {
			next(c, state)
		}
	}
}

func (u *unusedConns) follow(c net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(u.conns, c)
	case u.ended:
		_ = c.Close() // nobody has sent anything on it: there is nobody to tell
	default:
		u.conns[c] = true
	}
}

func (u *unusedConns) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = true
	for c := range u.conns {
		_ = c.Close() // as above
	}
}

// listenError says what to do where an address cannot be listened on.
func listenError(address string, err error) error {
	_, malformed := errors.AsType[*net.AddrError](err)
	_, unknown := errors.AsType[*net.DNSError](err)
	switch {
	case malformed || unknown:
		return usageErrorf("--listen cannot be %q: %w; it is host:port, such as 127.0.0.1:8481", clean(address), err)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("cannot listen on %s: %w; is another server running there? --listen takes another address, port 0 any free port", address, err)
	}
	return fmt.Errorf("cannot listen on %s: %w; --listen takes another address", address, err)
}
