package egress

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// nameServer is a DNS server (RFC 1035) inside the process. answers returns the IPv4 addresses of any name, given how
// often it was asked before; none means that the name does not exist.
type nameServer struct {
	answers func(asked int64) []netip.Addr
	asked   atomic.Int64
	all     sync.WaitGroup
}

// resolver returns a resolver that asks this server, over a pipe: DNS frames messages by length on anything that is not
// a packet connection (RFC 1035, section 4.2.2).
func (s *nameServer) resolver(t *testing.T) *net.Resolver {
	t.Cleanup(s.all.Wait)
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		s.all.Go(func() {
			defer ours.Close()
			for s.one(ours) == nil {
			}
		})
		return theirs, nil
	}}
}

// one answers one question.
func (s *nameServer) one(conn net.Conn) error {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return err
	}
	query := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return err
	}
	const header, typeA = 12, 1
	end := header
	for query[end] != 0 {
		end += 1 + int(query[end])
	}
	end += 5 // the root label, the type and the class
	var addresses []netip.Addr
	isA := binary.BigEndian.Uint16(query[end-4:]) == typeA
	exists := len(s.answers(s.asked.Load())) > 0
	if isA {
		addresses = s.answers(s.asked.Add(1) - 1)
	}
	reply := append([]byte{0, 0, query[0], query[1], 0x81, 0x80, 0, 1, 0, byte(len(addresses)), 0, 0, 0, 0}, query[header:end]...)
	if !exists {
		reply[5] |= 3 // NXDOMAIN
	}
	for _, a := range addresses {
		reply = append(reply, 0xC0, header, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4)
		reply = append(reply, a.AsSlice()...)
	}
	binary.BigEndian.PutUint16(reply, uint16(len(reply)-2))
	_, err := conn.Write(reply)
	return err
}

func addresses(texts ...string) []netip.Addr {
	var list []netip.Addr
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

func TestName(t *testing.T) {
	tests := []struct {
		name    string
		answers []netip.Addr
		status  int
		failure hook.Failure
		text    string
	}{
		{"allowed", addresses("127.0.0.1"), 200, hook.FailureNone, ""},
		{"does not exist", nil, 0, hook.FailureDNS, "the name receiver.invalid. does not resolve"},
		{
			"private", addresses("10.0.0.1"), 0,
			hook.FailureBlocked, "the address 10.0.0.1 is private: the operator has not listed it in allow-private-targets",
		},
		{
			"metadata", addresses("169.254.169.254"), 0,
			hook.FailureBlocked, "the address 169.254.169.254 is a cloud's metadata service: the operator has not listed it in allow-private-targets",
		},
		{
			"public over http", addresses("8.8.8.8"), 0,
			hook.FailureBlocked, "http is refused for the public address 8.8.8.8: use https, or have the operator list it in allow-private-targets",
		},
		{"one that is blocked and one that is not", addresses("10.0.0.1", "127.0.0.1"), 200, hook.FailureNone, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := listen(t, answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
			server := &nameServer{answers: func(int64) []netip.Addr { return test.answers }}
			c := New(Options{AllowPrivate: addressPrefixes("127.0.0.1"), Resolver: server.resolver(t)})
			defer c.Close()
			_, port, err := net.SplitHostPort(r.address)
			if err != nil {
				t.Fatal(err)
			}
			a := send(t, c, "http://receiver.invalid.:"+port+"/?token=hunter2", long)
			wantFailure(t, a, test.failure, test.text)
			if a.Status != test.status {
				t.Errorf("status %d", a.Status)
			}
		})
	}
}

func addressPrefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, a := range addresses(texts...) {
		list = append(list, netip.PrefixFrom(a, a.BitLen()))
	}
	return list
}

// TestRebinding has a name that points to an allowed address when it is first looked up and to another one afterwards.
func TestRebinding(t *testing.T) {
	r := listen(t, answerOnce("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
	server := &nameServer{answers: func(asked int64) []netip.Addr {
		if asked == 0 {
			return addresses("127.0.0.1")
		}
		return addresses("127.0.0.2")
	}}
	c := New(Options{AllowPrivate: addressPrefixes("127.0.0.1"), Resolver: server.resolver(t)})
	defer c.Close()
	_, port, err := net.SplitHostPort(r.address)
	if err != nil {
		t.Fatal(err)
	}
	target := "http://receiver.invalid.:" + port + "/"
	if a := send(t, c, target, long); a.Status != 200 {
		t.Errorf("got %+v", a)
	}
	wantFailure(t, send(t, c, target, long), hook.FailureBlocked, "the address 127.0.0.2 is loopback: the operator has not listed it in allow-private-targets")
	if n := r.connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestDialEndsWithItsPost has a name server that never answers: the transport's own dial would go on waiting.
func TestDialEndsWithItsPost(t *testing.T) {
	ended := make(chan error, 1)
	c := New(Options{AllowPrivate: loopback(), Resolver: &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			select {
			case ended <- ctx.Err():
			default: // several questions are asked
			}
			return nil, ctx.Err()
		},
	}})
	defer c.Close()
	wantFailure(t, send(t, c, "http://receiver.invalid./", short), hook.FailureTimeout, "no connection within 150ms")
	if err := <-ended; err == nil {
		t.Error("the dial did not end with a reason")
	}
}
