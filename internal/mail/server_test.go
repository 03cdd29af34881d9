package mail

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	theUser     = "hookswitch"
	thePassword = "the-password-of-this-test"
)

// mailServer is a real SMTP server inside the process.
type mailServer struct {
	port int
	// roots verify its certificate, which is for 127.0.0.1.
	roots *x509.CertPool

	// refuse, if not nil, may refuse an address or the message; it is given the command.
	refuse func(command string) error
	// ended, if not nil, is called before a message that was read is taken over.
	ended func(c *smtp.Conn)

	mu       sync.Mutex // guards received and logins
	received []received
	logins   int
}

// received is one e-mail that the server took over.
type received struct {
	from, to string
	secure   bool
	text     []byte
}

// options are those of a server that a test starts.
type serverOptions struct {
	implicit, noTLS, login, onlyLogin bool
}

func startServer(t *testing.T, o serverOptions, change ...func(*mailServer)) *mailServer {
	t.Helper()
	certified := httptest.NewTLSServer(nil) // for its certificate
	certificates := certified.TLS.Certificates
	s := &mailServer{roots: x509.NewCertPool()}
	s.roots.AddCert(certified.Certificate())
	certified.Close()
	for _, c := range change {
		c(s)
	}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		plain := &session{server: s, conn: c}
		if o.login {
			return newLoginSession(smtp.AuthSession.Auth, plain, o.onlyLogin), nil
		}
		return plain, nil
	}))
	server.Domain, server.ErrorLog = "mail.example", log.New(io.Discard, "", 0)
	config := &tls.Config{Certificates: certificates}
	if !o.noTLS && !o.implicit {
		server.TLSConfig = config
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = portOf(listener)
	if o.implicit {
		listener = tls.NewListener(listener, config)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := <-ended; err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	return s
}

func portOf(l net.Listener) int {
	return int(netip.MustParseAddrPort(l.Addr().String()).Port())
}

// all returns what was taken over.
func (s *mailServer) all() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.received)
}

// session is one connection's.
type session struct {
	server   *mailServer
	conn     *smtp.Conn
	from, to string
}

func (s *session) check(command string) error {
	if s.server.refuse == nil {
		return nil
	}
	return s.server.refuse(command)
}

func (s *session) Reset()        { s.from, s.to = "", "" }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return s.check("MAIL")
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return s.check("RCPT")
}

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.server.ended != nil {
		s.server.ended(s.conn)
	}
	if err := s.check("DATA"); err != nil {
		return err
	}
	_, secure := s.conn.TLSConnectionState()
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.received = append(s.server.received, received{s.from, s.to, secure, bytes.Clone(text)})
	return nil
}

// loginSession is that of a server that wants a password. S is the library's type of a mechanism, which comes from a module without
// releases: it is inferred, so that the module need not be required.
type loginSession[S any] struct {
	*session
	onlyLogin bool
	known     bool
}

func newLoginSession[S any](_ func(smtp.AuthSession, string) (S, error), s *session, onlyLogin bool) smtp.Session {
	return &loginSession[S]{session: s, onlyLogin: onlyLogin}
}

func (s *loginSession[S]) AuthMechanisms() []string {
	if s.onlyLogin {
		return []string{"LOGIN"}
	}
	return []string{"XOAUTH2", "PLAIN"}
}

func (s *loginSession[S]) Auth(mechanism string) (chosen S, err error) {
	var server any = plainServer{s.login}
	if mechanism == "LOGIN" {
		server = &loginServer{login: s.login}
	}
	chosen, ok := server.(S)
	if !ok {
		err = errors.New("the library's mechanisms have another form now")
	}
	return chosen, err
}

func (s *loginSession[S]) login(user, password string) error {
	if user != theUser || password != thePassword {
		return smtp.ErrAuthFailed
	}
	s.known = true
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.logins++
	return nil
}

func (s *loginSession[S]) Mail(from string, o *smtp.MailOptions) error {
	if !s.known {
		return smtp.ErrAuthRequired
	}
	return s.session.Mail(from, o)
}

// plainServer reads user and password from one response (RFC 4616, section 2).
type plainServer struct {
	login func(user, password string) error
}

func (p plainServer) Next(response []byte) (challenge []byte, done bool, err error) {
	parts := strings.Split(string(response), "\x00")
	if len(parts) != 3 {
		return nil, true, errors.New("not a message of PLAIN")
	}
	return nil, true, p.login(parts[1], parts[2])
}

// loginServer asks for user and password, as the old mechanism LOGIN does.
type loginServer struct {
	login func(user, password string) error
	step  int
	user  string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	default:
		return nil, true, l.login(l.user, string(response))
	}
}

// listen accepts connections one after the other and gives each to talk.
func listen(t *testing.T, talk func(net.Conn)) (port int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			talk(conn)
			if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				t.Errorf("close: %v", err)
			}
		}
	})
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		all.Wait()
	})
	return portOf(listener)
}
