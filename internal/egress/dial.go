package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// dialShareLeast is the least part of a post's time that one of several addresses gets behind a proxy, as [net.Dialer] has it.
const dialShareLeast = 2 * time.Second

// dialer makes connections, each within the deadline of the post that asked for it.
type dialer struct {
	guard    *guard
	resolver *net.Resolver
	plain    net.Dialer
	secure   net.Dialer
	// proxy is nil where receivers are dialled from here.
	proxy *proxy
	// direct are the networks that are dialled from here all the same.
	direct []netip.Prefix
	tls    *tls.Config
}

func newDialer(o Options, g *guard) *dialer {
	d := &dialer{
		guard: g, resolver: o.Resolver,
		plain:  net.Dialer{Resolver: o.Resolver, Control: g.controlPlain},
		secure: net.Dialer{Resolver: o.Resolver, Control: g.controlSecure},
		tls:    tlsConfig(o),
	}
	for _, p := range o.Direct {
		d.direct = append(d.direct, unmapped(p))
	}
	if d.resolver == nil {
		d.resolver = net.DefaultResolver
	}
	if o.Proxy != nil {
		d.proxy = newProxy(o.Proxy, d.resolver)
	}
	return d
}

// dialPlain connects for http.
func (d *dialer) dialPlain(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, s, cancel := dialContext(ctx)
	defer cancel()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("split host and port: %w", err)
	}
	conn, err := d.connect(ctx, s, network, host, port, false)
	if err != nil {
		return nil, err
	}
	s.made(conn)
	return conn, nil
}

// dialTLS connects for https, handshake included. The transport could do the handshake too, but under no deadline.
func (d *dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, s, cancel := dialContext(ctx)
	defer cancel()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("split host and port: %w", err)
	}
	conn, err := d.connect(ctx, s, network, host, port, true)
	if err != nil {
		return nil, err
	}
	s.post.reach(stageHandshake)
	s.begin(phaseTLS)
	config := d.tls.Clone()
	config.ServerName = host
	secure := tls.Client(conn, config)
	err = secure.HandshakeContext(ctx)
	s.end(phaseTLS)
	if err != nil {
		_ = conn.Close() // the handshake's error is the one to tell
		return nil, &handshakeError{err}
	}
	s.made(secure)
	return secure, nil
}

// connect dials one of the host's addresses that may be dialled, from here or through the proxy.
func (d *dialer) connect(ctx context.Context, s *dialling, network, host, port string, secure bool) (net.Conn, error) {
	if err := checkSpelling(host); err != nil {
		return nil, err
	}
	if d.proxy != nil {
		conn, err := d.through(ctx, s, host, port, secure)
		s.end(phaseConnect)
		return conn, err
	}
	dialer := &d.plain
	if secure {
		dialer = &d.secure
	}
	s.begin(phaseConnect)
	conn, err := dialer.DialContext(s.lookUp(ctx), network, net.JoinHostPort(host, port))
	if blocked := new(blockedError); errors.As(err, &blocked) {
		s.skip(phaseConnect)
	}
	s.end(phaseConnect)
	return conn, err
}

// through has the proxy connect to the host's addresses in turn, each checked just before, until one answers or the proxy fails. Those that
// are not for the proxy are dialled from here in their turn: what decides is the address, not the name, which whoever owns a webhook may choose.
func (d *dialer) through(ctx context.Context, s *dialling, host, port string, secure bool) (net.Conn, error) {
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("parse the port: %w", err)
	}
	addresses, err := d.resolver.LookupNetIP(s.lookUp(ctx), "ip", host)
	if err != nil {
		return nil, fmt.Errorf("look up the host: %w", err)
	}
	var may []netip.AddrPort
	for _, a := range addresses {
		to := netip.AddrPortFrom(a.Unmap(), uint16(number))
		if blocked := d.guard.checkTarget(to, secure); blocked != nil {
			err = blocked
			continue
		}
		may = append(may, to)
	}
	s.skip(phaseConnect)
	if len(may) > 0 {
		s.begin(phaseConnect)
	}
	deadline, _ := ctx.Deadline() // there is one, by dialContext
	if slices.ContainsFunc(may, func(to netip.AddrPort) bool { return !contains(d.direct, to.Addr()) }) {
		// The end of the time is kept for asking the proxy whether it is there at all.
		deadline = deadline.Add(-min(proxyProbeMax, time.Until(deadline)/proxyProbeShare))
	}
	for i, to := range may {
		part := time.Until(deadline)
		if left := len(may) - i; left > 1 {
			part = min(part, max(part/time.Duration(left), dialShareLeast))
		}
		var conn net.Conn
		if contains(d.direct, to.Addr()) {
			conn, err = d.straight(ctx, to, secure, part)
		} else {
			conn, err = d.proxy.dial(ctx, s.post, to, time.Now().Add(part))
		}
		if err == nil {
			return conn, nil
		}
		if isProxys(err) {
			return nil, err
		}
	}
	return nil, d.proxy.blame(ctx, s.post, err)
}

// straight dials an address from here, as without a proxy, within a part of the time.
func (d *dialer) straight(ctx context.Context, to netip.AddrPort, secure bool, part time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, part)
	defer cancel()
	dialer := &d.plain
	if secure {
		dialer = &d.secure
	}
	return dialer.DialContext(ctx, "tcp", to.String())
}

// dialContext puts the post's deadline back, which the transport takes from the context of a dial, and begins the dial's account.
func dialContext(ctx context.Context) (context.Context, *dialling, context.CancelFunc) {
	s, ok := ctx.Value(sendingKey{}).(*sending)
	if !ok {
		panic("egress: dial without a post") // every request of the transport is made by sending.roundTrip
	}
	deadline, _ := s.Deadline() // there is one, by newSending's caller
	ctx, cancel := context.WithDeadline(ctx, deadline)
	account := &dialling{post: s}
	s.dialling.Store(account)
	return ctx, account, cancel
}

// handshakeError marks an error of the TLS handshake.
type handshakeError struct{ cause error }

func (e *handshakeError) Error() string { return "TLS handshake: " + e.cause.Error() }
func (e *handshakeError) Unwrap() error { return e.cause }
