package gate

import (
	"container/heap"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// Listener bounds the connections that it accepts. Where there are too many, one that is quiet makes room for a new one, see [Listener.Follow].
type Listener struct {
	net.Listener
	most, mostPerAddress int
	refused, ended       atomic.Int64

	mu      sync.Mutex // guards those below, and all in them
	open    int
	callers map[netip.Prefix]*caller
	quiet   quietCallers
}

// Limit makes a Listener of another one.
func Limit(l net.Listener, most, mostPerAddress int) *Listener {
	return &Listener{Listener: l, most: most, mostPerAddress: mostPerAddress, callers: map[netip.Prefix]*caller{}}
}

// Accept returns the next connection within the limits. Those beyond are closed.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		inner, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &limited{Conn: inner, listener: l}
		in, instead := l.enter(c, hook.NetworkOf(inner.RemoteAddr().String()))
		if instead != nil {
			l.ended.Add(1)
			// It was quiet: its server finds it closed, as when the caller closes it.
			_ = instead.Conn.Close()
		}
		if in {
			return c, nil
		}
		l.refused.Add(1)
		// Nothing was read or written: there is nothing to lose, and nobody to tell.
		_ = inner.Close()
	}
}

// Follow is told what a server's connections are doing: it is its ConnState. Of a connection that nothing was said of yet, and of one between two
// requests, it is known then that it is quiet.
func (l *Listener) Follow(conn net.Conn, state http.ConnState) {
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		conn = wrapped.NetConn()
	}
	c, ok := conn.(*limited)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.left {
		return
	}
	c.from.unquiet(c)
	if state == http.StateNew || state == http.StateIdle {
		c.place = c.from.quiet.PushBack(c)
	}
	l.quiet.place(c.from)
}

// Open returns how many connections are open.
func (l *Listener) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// Quiet returns how many of them are quiet.
func (l *Listener) Quiet() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, c := range l.quiet {
		n += c.quiet.Len()
	}
	return n
}

// Refused returns how many connections were closed for being too many.
func (l *Listener) Refused() int64 { return l.refused.Load() }

// Ended returns how many quiet connections made room for new ones.
func (l *Listener) Ended() int64 { return l.ended.Load() }

// enter counts a connection of a caller, if there is room for it, or is when another is closed instead, which then counts no longer.
func (l *Listener) enter(c *limited, address netip.Prefix) (in bool, instead *limited) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := l.callers[address]
	if from == nil {
		from = &caller{address: address, index: unplaced}
	}
	if full := l.open >= l.most; full || from.open >= l.mostPerAddress {
		if instead = l.longestQuiet(from, full); instead == nil {
			return false, nil
		}
		l.drop(instead)
	}
	c.from, l.callers[address] = from, from
	l.open++
	from.open++
	l.quiet.place(from)
	return true, instead
}

// longestQuiet returns the connection that makes room for one of a caller: where its own are too many, or as many as anybody's, the one of its own
// that has been quiet for the longest, and else such a one of who has most. The caller holds the lock.
func (l *Listener) longestQuiet(from *caller, full bool) *limited {
	if full && from.open < l.mostPerAddress && len(l.quiet) > 0 && l.quiet[0].open > from.open {
		return l.quiet[0].longest()
	}
	return from.longest()
}

// drop counts a connection no longer. The caller holds the lock.
func (l *Listener) drop(c *limited) {
	if c.left {
		return
	}
	c.left = true
	from := c.from
	from.unquiet(c)
	l.open--
	from.open--
	l.quiet.place(from)
	if from.open == 0 {
		delete(l.callers, from.address)
	}
}

// place puts a caller, of whom something has changed, where it belongs.
func (q *quietCallers) place(c *caller) {
	switch placed, wanted := c.index != unplaced, c.quiet.Len() > 0; {
	case placed && wanted:
		heap.Fix(q, c.index)
	case placed:
		heap.Remove(q, c.index)
	case wanted:
		heap.Push(q, c)
	}
}
