package egresstest

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// dialTimeout bounds how long a proxy waits for a receiver.
const dialTimeout = 10 * time.Second

// Behaviour is what a proxy does with those who ask it.
type Behaviour struct {
	// Mute has the proxy accept connections and answer nothing at all.
	Mute bool
	// Swallow has it answer everything but requests to connect.
	Swallow bool
	// Status is what it answers to CONNECT in place of connecting; Header goes with it.
	Status int
	Header string
	// Reply is what it replies by SOCKS in place of connecting.
	Reply byte
	// Say is written in place of an answer to any request to connect, before the connection is closed.
	Say string
	// Early is written behind the answer that a tunnel is open.
	Early string
	// To is where it really connects, whatever it was asked for.
	To string
	// User and Password are what it wants; both empty mean nothing.
	User, Password string
}

// Proxy is a proxy on loopback.
type Proxy struct {
	// Scheme is http, https or socks5.
	Scheme  string
	Address string

	t    testing.TB
	tls  *tls.Config
	all  sync.WaitGroup
	mu   sync.Mutex // guards everything below
	does Behaviour
	// asked are the addresses that it was asked to connect to.
	asked []string
	// down ends the listener and all connections; nil while the proxy is down.
	down context.CancelFunc
	gone chan struct{}
}

// Start starts a proxy, which ends with the test. config is for TLS, and nil for a scheme without.
func Start(t testing.TB, scheme string, config *tls.Config, does Behaviour) *Proxy {
	t.Helper()
	p := &Proxy{Scheme: scheme, Address: "127.0.0.1:0", t: t, tls: config, does: does}
	p.Up()
	t.Cleanup(func() {
		p.Down()
		p.all.Wait()
	})
	return p
}

// Port returns the port that it listens on.
func (p *Proxy) Port() int { return int(netip.MustParseAddrPort(p.Address).Port()) }

// Do changes what the proxy does with whoever asks from now on.
func (p *Proxy) Do(does Behaviour) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.does = does
}

// Asked returns the addresses that the proxy was asked to connect to.
func (p *Proxy) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// Up has the proxy listen, at the same address as before.
func (p *Proxy) Up() {
	p.t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(p.t.Context(), "tcp", p.Address)
	if err != nil {
		p.t.Fatal(err)
	}
	p.Address = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	context.AfterFunc(ctx, func() { shut(listener) })
	gone := make(chan struct{})
	p.mu.Lock()
	p.down, p.gone = cancel, gone
	p.mu.Unlock()
	p.all.Go(func() {
		defer close(gone)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			p.all.Go(func() { p.serve(ctx, conn) })
		}
	})
}

// Down has the proxy end: nobody listens, and all connections through it break.
func (p *Proxy) Down() {
	p.mu.Lock()
	down, gone := p.down, p.gone
	p.mu.Unlock()
	down()
	<-gone
}

// shut closes what may be closed already.
func shut(c io.Closer) { _ = c.Close() } // as said

func (p *Proxy) behaviour() Behaviour {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.does
}

func (p *Proxy) serve(ctx context.Context, conn net.Conn) {
	defer context.AfterFunc(ctx, func() { shut(conn) })()
	defer shut(conn)
	does := p.behaviour()
	if does.Mute {
		_, _ = io.Copy(io.Discard, conn) // until the client has enough
		return
	}
	if p.tls != nil {
		conn = tls.Server(conn, p.tls)
	}
	in := bufio.NewReader(conn)
	address := p.connectHTTP
	if p.Scheme == "socks5" {
		address = p.connectSOCKS
	}
	to, ok := address(does, conn, in)
	if !ok {
		return
	}
	p.tunnel(ctx, does, conn, in, to)
}

// noted notes where the proxy shall connect to, and reports whether it does.
func (p *Proxy) noted(does Behaviour, conn net.Conn, in io.Reader, to string) bool {
	p.mu.Lock()
	p.asked = append(p.asked, to)
	p.mu.Unlock()
	if does.Swallow {
		_, _ = io.Copy(io.Discard, in) // until the client has enough
		return false
	}
	if does.Say != "" {
		_, _ = io.WriteString(conn, does.Say) // the client may have gone
		return false
	}
	return true
}

// connectHTTP reads requests until one is to connect.
func (p *Proxy) connectHTTP(does Behaviour, conn net.Conn, in *bufio.Reader) (to string, ok bool) {
	say := func(status int, header string) {
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\n%sContent-Length: 0\r\n\r\n", status, http.StatusText(status), header) // the client may have gone
	}
	request, err := http.ReadRequest(in)
	if err != nil {
		return "", false
	}
	wanted := "Basic " + base64.StdEncoding.EncodeToString([]byte(does.User+":"+does.Password))
	switch {
	case request.Method != http.MethodConnect:
		say(http.StatusBadRequest, "")
		return "", false
	case does.User != "" && request.Header.Get("Proxy-Authorization") != wanted, does.User == "" && request.Header.Get("Proxy-Authorization") != "":
		say(http.StatusProxyAuthRequired, "Proxy-Authenticate: Basic realm=\"test\"\r\n")
		return "", false
	case !p.noted(does, conn, in, request.Host):
		return "", false
	case does.Status != 0:
		say(does.Status, does.Header)
		return "", false
	}
	return request.Host, true
}

// connectSOCKS greets and reads the request to connect (RFC 1928, RFC 1929).
func (p *Proxy) connectSOCKS(does Behaviour, conn net.Conn, in *bufio.Reader) (to string, ok bool) {
	read := func(n int) []byte {
		b := make([]byte, n)
		if _, err := io.ReadFull(in, b); err != nil {
			return make([]byte, n)
		}
		return b
	}
	write := func(b ...byte) { _, _ = conn.Write(b) } // the client may have gone
	methods := read(int(read(2)[1]))
	method := byte(0)
	if does.User != "" {
		method = 2
	}
	if !slices.Contains(methods, method) {
		write(5, 255)
		return "", false
	}
	write(5, method)
	if method == 2 {
		user := string(read(int(read(2)[1])))
		password := string(read(int(read(1)[0])))
		if user != does.User || password != does.Password {
			write(1, 1)
			return "", false
		}
		write(1, 0)
	}
	kind, size := read(4)[3], 16
	switch kind {
	case 1:
		size = 4
	case 3:
		size = int(read(1)[0])
	}
	host := read(size)
	name := string(host)
	if kind != 3 {
		a, _ := netip.AddrFromSlice(host) // of one of the two sizes
		name = a.String()
	}
	to = net.JoinHostPort(name, strconv.Itoa(int(binary.BigEndian.Uint16(read(2)))))
	switch {
	case !p.noted(does, conn, in, to):
		return "", false
	case does.Reply != 0:
		write(5, does.Reply, 0, 1, 0, 0, 0, 0, 0, 0)
		return "", false
	}
	return to, true
}

// tunnel connects and copies both ways until one side ends.
func (p *Proxy) tunnel(ctx context.Context, does Behaviour, conn net.Conn, in io.Reader, to string) {
	if does.To != "" {
		to = does.To
	}
	receiver, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", to)
	if err != nil {
		if p.Scheme == "socks5" {
			_, _ = conn.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0}) // the client may have gone
		} else {
			_, _ = io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n") // as Squid does
		}
		return
	}
	defer context.AfterFunc(ctx, func() { shut(receiver) })()
	defer shut(receiver)
	opened := "HTTP/1.1 200 Connection established\r\n\r\n"
	if p.Scheme == "socks5" {
		opened = "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	}
	if _, err := io.WriteString(conn, opened+does.Early); err != nil {
		return
	}
	var ways sync.WaitGroup
	ways.Go(func() {
		_, _ = io.Copy(receiver, in) // ends when either side does
		shut(receiver)
	})
	_, _ = io.Copy(conn, receiver) // ends when either side does
	shut(conn)
	ways.Wait()
}
