package egress

import (
	"context"
	"net"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The phases of a dial, of which each has its own time.
const (
	phaseDNS = iota
	phaseConnect
	phaseTLS
	phases
)

// What a post knows of the connection that it got.
const (
	connNone  uint32 = iota // it has none yet
	connOwn                 // its own dial has made it
	connOther               // it was there already, or another post's dial has made it
)

// dialling is the account of one dial that a post has asked for. It is the dial's goroutine that tells, and that may go on after the post has
// ended or has gone on with another connection: what it tells is atomic.
type dialling struct {
	post *sending
	// conn is what the dial has made, as the transport knows it.
	conn   atomic.Pointer[net.Conn]
	phases [phases]phase
}

// phase is when a part of a dial began, since the post's beginning, and how long it took, in nanoseconds. Zero means not yet.
type phase struct{ began, took atomic.Int64 }

// begin notes that a phase begins.
func (d *dialling) begin(n int) { d.phases[n].began.Store(d.post.elapsed()) }

// end notes that a phase has ended, however it did.
func (d *dialling) end(n int) {
	p := &d.phases[n]
	if began := p.began.Load(); began != 0 {
		p.took.Store(max(d.post.elapsed()-began, 1))
	}
}

// skip notes that a phase has not happened after all.
func (d *dialling) skip(n int) { d.phases[n].began.Store(0) }

// made notes the connection that the transport will use.
func (d *dialling) made(conn net.Conn) { d.conn.Store(&conn) }

// lookUp returns a context under which the look-up of a name is noted, and that connecting begins when it has succeeded.
func (d *dialling) lookUp(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) {
			d.skip(phaseConnect)
			d.begin(phaseDNS)
		},
		DNSDone: func(info httptrace.DNSDoneInfo) {
			d.end(phaseDNS)
			if info.Err == nil {
				d.begin(phaseConnect)
			}
		},
	})
}

// elapsed is how long ago the post began, in nanoseconds, and never zero.
func (s *sending) elapsed() int64 { return max(int64(time.Since(s.began)), 1) }

// got notes which connection the post goes on with.
func (s *sending) got(conn net.Conn) {
	whose := connOther
	if d := s.dialling.Load(); d != nil {
		if made := d.conn.Load(); made != nil && *made == conn {
			whose = connOwn
		}
	}
	s.conn.Store(whose)
}

// timing returns what the post has spent its time on until now. A phase that is still under way has taken as long as that: this is how a
// post that ran out of time shows where it did. The dial of a connection that the post did not go on with is none of its own.
func (s *sending) timing() hook.Timing {
	t := hook.Timing{FirstByte: micros(s.firstByte.Load())}
	d := s.dialling.Load()
	if d == nil || s.conn.Load() == connOther {
		return t
	}
	now := s.elapsed()
	for n, to := range [phases]*time.Duration{&t.DNS, &t.Connect, &t.TLS} {
		p := &d.phases[n]
		if began := p.began.Load(); began != 0 {
			took := p.took.Load()
			if took == 0 {
				took = max(now-began, 1)
			}
			*to = micros(took)
		}
	}
	return t
}

// micros makes whole microseconds of nanoseconds: at least one of what is not nothing.
func micros(ns int64) time.Duration {
	if ns == 0 {
		return 0
	}
	return max(time.Duration(ns).Truncate(time.Microsecond), time.Microsecond)
}
