package api

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// The limits of what all requests together may use.
const (
	// RequestsDefault is how many requests are worked on at a time when nobody says otherwise.
	RequestsDefault = 512
	// placeWaitMax is how long a request waits for a place.
	placeWaitMax = time.Second
	// bodiesBytesMax bounds the bodies of all requests that are worked on, and what they become when they are parsed.
	bodiesBytesMax = 64 << 20
	// bodyBytesTrusted is how much room is made for a body because its Content-Length says so, before the bytes have come.
	bodyBytesTrusted = 4 << 10
	// bodyBytesFree is what each body may take without asking.
	bodyBytesFree = 16 << 10
)

// load is what the requests that are worked on use now.
type load struct {
	// places has one entry for each request that is worked on, up to its capacity.
	places    chan struct{}
	bodyBytes atomic.Int64
	refused   atomic.Int64
}

// counts reports whether a request takes one of the places: whoever asks how the server is gets an answer when it is full, too.
func counts(r *http.Request) bool {
	return r.URL.Path != "/healthz" && r.URL.Path != "/readyz"
}

// enter takes a place for the call, or says that there is none. It waits a little, so that a burst is worked on and not refused.
func (c *call) enter() *Problem {
	if !counts(c.r) {
		return nil
	}
	l := &c.server.waits.load
	select {
	case l.places <- struct{}{}:
		c.placed = true
		return nil
	default:
	}
	wait := time.NewTimer(placeWaitMax)
	defer wait.Stop()
	select {
	case l.places <- struct{}{}:
		c.placed = true
		return nil
	case <-wait.C:
	case <-c.r.Context().Done():
	}
	l.refused.Add(1)
	return busy(fmt.Sprintf("%d requests are being worked on, which is the most", cap(l.places)))
}

// giveUpPlace frees the call's place for another, before it waits for events: those that wait have a bound of their own.
func (c *call) giveUpPlace() {
	if c.placed {
		c.placed = false
		<-c.server.waits.load.places
	}
}

// reserve takes memory for the call's body until the call ends, or says that there is none. The first bytes of every body are free, so that
// large bodies never keep small ones out; connections bound how many of those there are.
func (c *call) reserve(bytes int) *Problem {
	before := c.charged()
	c.reserved += bytes
	charge := c.charged() - before
	l := &c.server.waits.load
	if l.bodyBytes.Add(charge) > bodiesBytesMax {
		l.bodyBytes.Add(-charge)
		c.reserved -= bytes
		l.refused.Add(1)
		return busy("the bodies of the requests that are being worked on take all the memory that there is for them")
	}
	return nil
}

// charged is the part of what is reserved that is not free.
func (c *call) charged() int64 { return int64(max(c.reserved-bodyBytesFree, 0)) }

// leave gives back all that the call has taken.
func (c *call) leave() {
	c.giveUpPlace()
	c.server.waits.load.bodyBytes.Add(-c.charged())
	c.reserved = 0
}

func busy(detail string) *Problem {
	return newProblem(http.StatusServiceUnavailable, detail+"; the same request may succeed later").with("Retry-After", retryAfterSeconds)
}

// RefuseOrigin returns what answers a request that a browser was made to send by a page of another origin.
func (s *Server) RefuseOrigin() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{ResponseWriter: w, server: s, r: r, now: s.now()}
		c.send(nil, newProblem(http.StatusForbidden, "a browser sent this for a page of another origin; programs send neither Origin nor Sec-Fetch-Site"))
	})
}
