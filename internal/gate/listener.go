package gate

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// prefixBits is how much of an IPv6 address is one caller: what a provider gives to a customer at least (RFC 6177, section 2).
const prefixBits = 64

// Listener bounds the connections that it accepts.
type Listener struct {
	net.Listener
	most, mostPerAddress int
	refused              atomic.Int64

	mu        sync.Mutex // guards those below
	open      int
	byAddress map[netip.Addr]int
}

// Limit makes a Listener of another one.
func Limit(l net.Listener, most, mostPerAddress int) *Listener {
	return &Listener{Listener: l, most: most, mostPerAddress: mostPerAddress, byAddress: map[netip.Addr]int{}}
}

// Accept returns the next connection within the limits. Those beyond are closed.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := callerOf(c.RemoteAddr())
		if l.enter(from) {
			return &limited{Conn: c, leave: sync.OnceFunc(func() { l.leave(from) })}, nil
		}
		l.refused.Add(1)
		// Nothing was read or written: there is nothing to lose, and nobody to tell.
		_ = c.Close()
	}
}

// Open returns how many connections are open.
func (l *Listener) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// Refused returns how many connections were closed for being too many.
func (l *Listener) Refused() int64 { return l.refused.Load() }

func (l *Listener) enter(from netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.most || l.byAddress[from] >= l.mostPerAddress {
		return false
	}
	l.open++
	l.byAddress[from]++
	return true
}

func (l *Listener) leave(from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.byAddress[from]--; l.byAddress[from] == 0 {
		delete(l.byAddress, from)
	}
}

// callerOf returns whom a connection counts for: an IPv4 address, or the network of an IPv6 one.
func callerOf(a net.Addr) netip.Addr {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil { // no TCP: all of them are one
		return netip.Addr{}
	}
	address := at.Addr().Unmap().WithZone("")
	if address.Is6() {
		if network, err := address.Prefix(prefixBits); err == nil { // any IPv6 address has that many bits
			return network.Addr()
		}
	}
	return address
}

// limited is a connection that counts until it is closed.
type limited struct {
	net.Conn
	leave func()
}

// Close closes the connection, which counts no longer.
func (c *limited) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
