package egress

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
)

// dialer makes connections, each within the deadline of the post that asked for it.
type dialer struct {
	plain  net.Dialer
	secure net.Dialer
	tls    *tls.Config
}

func newDialer(o Options, g *guard) *dialer {
	return &dialer{
		plain:  net.Dialer{Resolver: o.Resolver, Control: g.controlPlain},
		secure: net.Dialer{Resolver: o.Resolver, Control: g.controlSecure},
		tls:    tlsConfig(o),
	}
}

// dialPlain connects for http.
func (d *dialer) dialPlain(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, _, cancel := dialContext(ctx)
	defer cancel()
	return d.plain.DialContext(ctx, network, address)
}

// dialTLS connects for https, handshake included. The transport could do the handshake too, but under no deadline.
func (d *dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, s, cancel := dialContext(ctx)
	defer cancel()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("split host and port: %w", err)
	}
	conn, err := d.secure.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	s.stage.CompareAndSwap(stageDial, stageHandshake) // unless the post has gone on with another connection
	config := d.tls.Clone()
	config.ServerName = host
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the handshake's error is the one to tell
		return nil, &handshakeError{err}
	}
	return secure, nil
}

// dialContext puts the post's deadline back, which the transport takes from the context of a dial.
func dialContext(ctx context.Context) (context.Context, *sending, context.CancelFunc) {
	s, ok := ctx.Value(sendingKey{}).(*sending)
	if !ok {
		panic("egress: dial without a post") // every request of the transport is made by sending.roundTrip
	}
	deadline, _ := s.Deadline() // there is one, by newSending's caller
	ctx, cancel := context.WithDeadline(ctx, deadline)
	return ctx, s, cancel
}

// handshakeError marks an error of the TLS handshake.
type handshakeError struct{ cause error }

func (e *handshakeError) Error() string { return "TLS handshake: " + e.cause.Error() }
func (e *handshakeError) Unwrap() error { return e.cause }
