package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/receiver"
)

// hostileConns lets as many connections in as the idle ones and the good are, and fewer than the crowd. With 12,000 the soft limit of the heap is
// reached, and the garbage collector takes a processor.
const hostileConns = "10100"

// A castle is what is attacked.
type castle struct {
	address, key string
	pid          int
	good         *goodLoad
	close        func()
}

// openCastle starts a server with a webhook.
func (b *lab) openCastle(ctx context.Context) (*castle, error) {
	saved := b.options.serveArguments
	b.options.serveArguments = append([]string{"--connections-max", hostileConns}, saved...)
	f, err := b.serve(ctx, 1)
	b.options.serveArguments = saved
	if err != nil {
		return nil, err
	}
	l, err := listen(ctx)
	if err != nil {
		return nil, err
	}
	g := newGoodLoad(func(ctx context.Context, id string) *http.Request {
		body := fmt.Sprintf(`{"id":%q,"mediaType":"chat","subtype":"SMS","queue":"support"}`, id)
		return request(ctx, "http://"+f.nodes[0].address+"/v1/interactions", body, "X-Api-Key", f.nodes[0].key)
	}, true)
	receiver := &http.Server{Handler: http.HandlerFunc(g.receive), ReadHeaderTimeout: apiTimeout, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan error, 1)
	go func() { served <- receiver.Serve(l) }()
	c := &castle{address: f.nodes[0].address, key: f.nodes[0].key, pid: f.nodes[0].cmd.Process.Pid, good: g}
	c.close = func() {
		g.client.CloseIdleConnections()
		f.kill() // what hangs would hold up a clean end
		b.remove(ctx, f)
		done(receiver)
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintf(os.Stderr, "receiver of the good: %v\n", err)
		}
	}
	_, err = f.webhook(ctx, "http://"+l.Addr().String()+"/", fanOutConcurrency)
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// openListener starts `hookswitch listen`, whose good callers sign what they send.
func (b *lab) openListener(ctx context.Context) (*castle, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	said, err := os.Create(filepath.Join(b.dir, "listen.log"))
	if err != nil {
		return nil, fmt.Errorf("make log: %w", err)
	}
	defer done(said)                                             // the child has its own descriptor
	cmd := exec.Command(b.binary, "listen", "--listen", address) //nolint:gosec,noctx // As for a server.
	cmd.Env = append(os.Environ(), "HOOKSWITCH_SECRET="+benchSecret)
	cmd.Stderr, cmd.SysProcAttr = said, dieWithParent()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start hookswitch listen: %w", err)
	}
	g := goodWebhooks(address)
	c := &castle{address: address, pid: cmd.Process.Pid, good: g, close: func() {
		g.client.CloseIdleConnections()
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // how it ended was just decided
	}}
	for try := range 100 {
		if conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address); err == nil {
			done(conn)
			break
		} else if try == 99 {
			c.close()
			return nil, fmt.Errorf("reach hookswitch listen: %w", err)
		}
		rest(ctx, 50*time.Millisecond)
	}
	return c, nil
}

// receiverRole is a receiver as others build it with package receiver, in a process of its own.
const receiverRole = "receiver"

// openReceiver starts such a receiver, whose good callers are those of the listener.
func (b *lab) openReceiver(context.Context) (*castle, error) {
	shared, err := newLedgerFile()
	if err != nil {
		return nil, err
	}
	defer done(shared) // the child has its own descriptor
	c, err := startChild(receiverRole, shared)
	if err != nil {
		return nil, err
	}
	var address string
	if err := c.call(context.Background(), "listen", struct{}{}, &address); err != nil {
		c.end()
		return nil, err
	}
	g := goodWebhooks(address)
	return &castle{address: address, pid: c.pid(), good: g, close: func() {
		g.client.CloseIdleConnections()
		c.end()
	}}, nil
}

func runReceiver(ctx context.Context, in io.Reader, out io.Writer) error {
	h, err := receiver.New(receiver.Config{
		Secrets:  [][]byte{[]byte(benchSecret)},
		Handle:   func(context.Context, interaction.EntityEvent, receiver.Delivery) error { return nil },
		OnReject: func(*http.Request, error) {}, // a log of what is refused is the program's own affair
	})
	if err != nil {
		return fmt.Errorf("make receiver: %w", err)
	}
	l, err := listen(ctx)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: apiTimeout, ReadTimeout: apiTimeout, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	err = obey(ctx, in, out, map[string]verb{
		"listen": with(func(context.Context, struct{}) (any, error) { return l.Addr().String(), nil }),
	})
	err = errors.Join(err, server.Close())
	if failure := <-served; !errors.Is(failure, http.ErrServerClosed) {
		err = errors.Join(err, failure)
	}
	return err
}
