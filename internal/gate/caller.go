package gate

import (
	"container/list"
	"net"
	"net/netip"
)

// caller is an address that has connections. The Listener's lock guards it.
type caller struct {
	address netip.Prefix
	open    int
	// quiet are those of its connections (each a *limited) that may be closed, the one that has been quiet for the longest first.
	quiet list.List
	// index is its place among those that have such ones, or unplaced.
	index int
}

const unplaced = -1

// longest returns the connection that has been quiet for the longest, nil where none is.
func (c *caller) longest() *limited {
	if front := c.quiet.Front(); front != nil {
		if quiet, ok := front.Value.(*limited); ok {
			return quiet
		}
	}
	return nil
}

// unquiet notes that a connection is not quiet.
func (c *caller) unquiet(conn *limited) {
	if conn.place != nil {
		c.quiet.Remove(conn.place)
		conn.place = nil
	}
}

// limited is a connection that counts until it is closed.
type limited struct {
	net.Conn
	listener *Listener

	// The listener's lock guards those below.
	from  *caller
	place *list.Element // among the quiet ones of its caller, nil while it is none
	left  bool
}

// Close closes the connection, which counts no longer.
func (c *limited) Close() error {
	c.listener.mu.Lock()
	c.listener.drop(c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

// quietCallers is a heap (container/heap) of the callers that have quiet connections, the one with most connections first.
type quietCallers []*caller

func (q quietCallers) Len() int           { return len(q) }
func (q quietCallers) Less(i, j int) bool { return q[i].open > q[j].open }

func (q quietCallers) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push appends a caller.
func (q *quietCallers) Push(v any) {
	if c, ok := v.(*caller); ok {
		c.index = len(*q)
		*q = append(*q, c)
	}
}

// Pop takes the last caller away.
func (q *quietCallers) Pop() any {
	last := len(*q) - 1
	c := (*q)[last]
	(*q)[last], *q = nil, (*q)[:last]
	c.index = unplaced
	return c
}
