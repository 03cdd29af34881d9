package mail

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	netmail "net/mail"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const usualNotice = `{"specversion":"1.0","id":"f6c49d91-926b-4473-b2f3-8d8fd295c968","source":"https://hookswitch.example/v1/contact-centers/default",
	"type":"io.hookswitch.delivery.exhausted","subject":"0199a1b2-0000-7000-8000-000000000000","time":"2026-11-22T16:00:00.000Z",
	"datacontenttype":"application/json","data":{"message":"37 deliveries to https://crm.example/hook were given up",
	"webhookId":"0199a1b2-0000-7000-8000-000000000000","webhookUrl":"https://crm.example/hook","count":37,"enabled":true,
	"circuit":{"state":"open","since":"2026-11-22T15:00:00.000Z"},"delivery":{"id":"0190a1b2-0000-7000-8000-000000000001",
	"interactionId":"8e09e19f-b8ba-4db0-b6e7-dfc8a7776176","event":"STARTED","attempts":20,"failure":"status","status":503,"error":"over \"load\""},
	"fix":"hookswitch deliveries list --state exhausted --webhook 0199a1b2-0000-7000-8000-000000000000"}}`

// timeout is long enough for whatever is to succeed, and short is what those wait that are not answered.
const (
	timeout = 20 * time.Second
	short   = 150 * time.Millisecond
)

func options(s *mailServer, mode TLS) Options {
	return Options{
		Host: "127.0.0.1", Port: s.port, TLS: mode, From: netmail.Address{Name: "Hookswitch", Address: "hookswitch@example.com"},
		Hostname: "node.example", Version: "v1.2.3", RootCAs: s.roots,
	}
}

func withLogin(o Options) Options {
	o.User, o.Password = theUser, hook.NewSecret(thePassword)
	return o
}

func post(body string) hook.Post {
	u, err := url.Parse("mailto:ops@example.com")
	if err != nil {
		panic(err)
	}
	return hook.Post{URL: u, Body: []byte(body), Timeout: timeout}
}

// An e-mail that the server took over is acknowledged, over TLS and with a password where these are asked for.
func TestSend(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		server        serverOptions
		mode          TLS
		login, secure bool
	}{
		"STARTTLS and login":            {serverOptions{login: true}, TLSRequired, true, true},
		"STARTTLS and the login LOGIN":  {serverOptions{login: true, onlyLogin: true}, TLSRequired, true, true},
		"STARTTLS":                      {serverOptions{}, TLSRequired, false, true},
		"TLS and login":                 {serverOptions{implicit: true, login: true}, TLSImplicit, true, true},
		"TLS":                           {serverOptions{implicit: true}, TLSImplicit, false, true},
		"TLS where it is":               {serverOptions{}, TLSOptional, false, true},
		"no TLS where there is none":    {serverOptions{noTLS: true}, TLSOptional, false, false},
		"no TLS although there is some": {serverOptions{}, TLSNone, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, tt.server)
			o := options(s, tt.mode)
			if tt.login {
				o = withLogin(o)
			}
			a := New(o).Send(t.Context(), post(usualNotice))
			if a.Status != 200 || a.Failure != hook.FailureNone || a.Error != "" || a.Took <= 0 || !strings.HasPrefix(string(a.Response), "250 ") {
				t.Errorf("the answer is %+v", a)
			}
			got := s.all()
			if len(got) != 1 || got[0].from != "hookswitch@example.com" || got[0].to != "ops@example.com" || got[0].secure != tt.secure {
				t.Errorf("the server took over %+v", got)
			}
			if tt.login != (s.logins == 1) {
				t.Errorf("%d logins", s.logins)
			}
		})
	}
}

func smtpError(code int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: text}
}

// What the server refuses is a failure with its own code and words, whichever command it refuses.
func TestSendRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		command string
		err     error
		want    string
	}{
		"sender":    {"MAIL", smtpError(553, "not from here"), "it refuses the sender's address: 553 5.1.1 not from here"},
		"recipient": {"RCPT", smtpError(550, "no such user"), "it refuses the recipient: 550 5.1.1 no such user"},
		"greylist":  {"RCPT", smtpError(451, "come back later"), "it refuses the recipient: 451 4.1.1 come back later"},
		"message":   {"DATA", smtpError(554, "looks like spam"), "it refuses the message: 554 5.1.1 looks like spam"},
		"full":      {"DATA", smtpError(452, "no room"), "it refuses the message: 452 4.1.1 no room"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, serverOptions{}, func(s *mailServer) {
				s.refuse = func(command string) error {
					if command == tt.command {
						return tt.err
					}
					return nil
				}
			})
			a := New(options(s, TLSRequired)).Send(t.Context(), post(usualNotice))
			var code *smtp.SMTPError
			if !errors.As(tt.err, &code) || a.Failure != hook.FailureStatus || a.Status != code.Code || a.Error != "mail server 127.0.0.1: "+tt.want {
				t.Errorf("the answer is %+v", a)
			}
			if got := s.all(); len(got) != 0 {
				t.Errorf("the server took over %d e-mails", len(got))
			}
		})
	}
}

// A password goes over TLS that was verified and nowhere else, and a wrong one is told without being repeated.
func TestSendProtectsPassword(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		server  serverOptions
		mode    TLS
		change  func(*Options)
		failure hook.Failure
		status  int
		want    string
	}{
		"no STARTTLS": {serverOptions{noTLS: true, login: true}, TLSRequired, nil, hook.FailureTLS, 0, "offers no STARTTLS"},
		"no TLS":      {serverOptions{noTLS: true, login: true}, TLSNone, nil, hook.FailureTLS, 0, "offers no STARTTLS"},
		"unknown authority": {
			serverOptions{login: true}, TLSRequired, func(o *Options) { o.RootCAs = x509.NewCertPool() }, hook.FailureTLS, 0, "signed by an unknown authority",
		},
		"another name": {serverOptions{login: true}, TLSRequired, func(o *Options) { o.Host = "localhost" }, hook.FailureTLS, 0, "for another name"},
		"unknown authority, TLS from the start": {
			serverOptions{implicit: true, login: true}, TLSImplicit, func(o *Options) { o.RootCAs = x509.NewCertPool() }, hook.FailureTLS, 0, "signed by an unknown authority",
		},
		"no TLS where it is expected from the start": {serverOptions{login: true}, TLSImplicit, nil, hook.FailureTLS, 0, "does not speak TLS"},
		"wrong password": {
			serverOptions{login: true}, TLSRequired, func(o *Options) { o.Password = hook.NewSecret("wrong-s3cret") }, hook.FailureStatus, 535, "it refuses the login: 535",
		},
		"no login offered": {serverOptions{}, TLSRequired, nil, hook.FailureRequest, 0, "offers no login that is known"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, tt.server)
			o := withLogin(options(s, tt.mode))
			if tt.change != nil {
				tt.change(&o)
			}
			a := New(o).Send(t.Context(), post(usualNotice))
			if a.Failure != tt.failure || a.Status != tt.status || !strings.Contains(a.Error, tt.want) || strings.Contains(a.Error, "s3cret") || strings.Contains(a.Error, thePassword) {
				t.Errorf("the answer is %+v, want %v with %q", a, tt.failure, tt.want)
			}
			if len(s.all()) != 0 || s.logins != 0 {
				t.Errorf("%d e-mails, %d logins", len(s.all()), s.logins)
			}
		})
	}
}

// speak says the lines to a client, reading one of its own after each; nothing more is said then.
func speak(lines ...string) func(net.Conn) {
	return func(c net.Conn) {
		r := bufio.NewReader(c)
		for _, line := range lines {
			if _, err := io.WriteString(c, line+"\r\n"); err != nil {
				return
			}
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
		}
	}
}

// silent says the lines and then waits until the client goes.
func silent(lines ...string) func(net.Conn) {
	return func(c net.Conn) {
		speak(lines...)(c)
		_, _ = io.Copy(io.Discard, c) // until it is gone
	}
}

// However far a server has come, one that says nothing more costs no more than the timeout, and one that hangs up is told as such.
func TestSendToTroubledServer(t *testing.T) {
	t.Parallel()
	dialogue := []string{"220 mail.example", "250 mail.example", "250 from", "250 to", "354 go on"}
	steps := []string{"the greeting", "the greeting", "the sender's address", "the recipient", "the message", "the message"}
	for n := range len(dialogue) + 1 {
		t.Run(fmt.Sprintf("silent after %d lines", n), func(t *testing.T) {
			t.Parallel()
			o := options(&mailServer{port: listen(t, silent(dialogue[:n]...))}, TLSNone)
			p := post(usualNotice)
			p.Timeout = short
			a := New(o).Send(t.Context(), p)
			want := fmt.Sprintf("mail server 127.0.0.1: no end of %s within 150ms", steps[n])
			if a.Failure != hook.FailureTimeout || a.Error != want || a.Took > timeout/2 {
				t.Errorf("the answer is %+v, want %q", a, want)
			}
		})
		t.Run(fmt.Sprintf("gone after %d lines", n), func(t *testing.T) {
			t.Parallel()
			a := New(options(&mailServer{port: listen(t, speak(dialogue[:n]...))}, TLSNone)).Send(t.Context(), post(usualNotice))
			if a.Failure != hook.FailureBroken || a.Status != 0 || a.Error == "" {
				t.Errorf("the answer is %+v", a)
			}
		})
	}
	t.Run("silent in the handshake", func(t *testing.T) {
		t.Parallel()
		p := post(usualNotice)
		p.Timeout = short
		a := New(options(&mailServer{port: listen(t, silent())}, TLSImplicit)).Send(t.Context(), p)
		if a.Failure != hook.FailureTimeout || !strings.Contains(a.Error, "the TLS handshake") {
			t.Errorf("the answer is %+v", a)
		}
	})
	t.Run("no end of words", func(t *testing.T) {
		t.Parallel()
		port := listen(t, func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, "220-still here\r\n"); err != nil {
					return
				}
			}
		})
		a := New(options(&mailServer{port: port}, TLSNone)).Send(t.Context(), post(usualNotice))
		if a.Failure != hook.FailureRequest || !strings.Contains(a.Error, "says more than 262144 bytes") {
			t.Errorf("the answer is %+v", a)
		}
	})
	t.Run("another protocol", func(t *testing.T) {
		t.Parallel()
		a := New(options(&mailServer{port: listen(t, speak("HTTP/1.1 400 Bad Request"))}, TLSNone)).Send(t.Context(), post(usualNotice))
		if a.Failure != hook.FailureRequest || a.Error == "" {
			t.Errorf("the answer is %+v", a)
		}
	})
}

// A server that is not there is told by its class.
func TestSendWithoutServer(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := portOf(listener)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	o := options(&mailServer{port: free}, TLSRequired)
	if a := New(o).Send(t.Context(), post(usualNotice)); a.Failure != hook.FailureRefused || !strings.HasPrefix(a.Error, "mail server 127.0.0.1: connection refused") {
		t.Errorf("nothing listens: %+v", a)
	}
	o.Host = "mail.example"
	o.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no name server") }}
	if a := New(o).Send(t.Context(), post(usualNotice)); a.Failure != hook.FailureDNS || !strings.Contains(a.Error, "mail.example does not resolve") {
		t.Errorf("no name: %+v", a)
	}
}

// A caller that goes away is told so, whatever the server does; one that goes when the server has taken the e-mail over has sent it.
func TestSendCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	port := listen(t, func(c net.Conn) {
		cancel()
		silent()(c)
	})
	a := New(options(&mailServer{port: port}, TLSNone)).Send(ctx, post(usualNotice))
	if a.Failure != hook.FailureBroken || a.Error != Cancelled {
		t.Errorf("the answer is %+v", a)
	}
}

// Once the server has taken the e-mail over, nothing that it does makes that a failure.
func TestSendEndsWithTheMessage(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]func(net.Conn, *bufio.Reader){
		"it hangs up":      func(net.Conn, *bufio.Reader) {},
		"it says nothing":  func(_ net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) }, // until the client is gone
		"it says nonsense": func(c net.Conn, _ *bufio.Reader) { _, _ = io.WriteString(c, "999 what?\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := listen(t, func(c net.Conn) {
				r := bufio.NewReader(c)
				for _, line := range []string{"220 mail.example", "250 mail.example", "250 from", "250 to"} {
					_, _ = io.WriteString(c, line+"\r\n") // what fails here fails the client
					_, _ = r.ReadString('\n')
				}
				_, _ = io.WriteString(c, "354 go on\r\n")
				for line := ""; line != ".\r\n"; {
					var err error
					if line, err = r.ReadString('\n'); err != nil {
						return
					}
				}
				_, _ = io.WriteString(c, "250 taken\r\n")
				after(c, r)
			})
			a := New(options(&mailServer{port: port}, TLSNone)).Send(t.Context(), post(usualNotice))
			if a.Status != 200 || a.Failure != hook.FailureNone || string(a.Response) != "250 taken" || a.Took > timeout/2 {
				t.Errorf("the answer is %+v", a)
			}
		})
	}
}

// E-mails that are sent at once share nothing: each has its own connection, recipient and text.
func TestSendManyAtOnce(t *testing.T) {
	t.Parallel()
	s := startServer(t, serverOptions{login: true})
	sender := New(withLogin(options(s, TLSRequired)))
	const many = 12
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			p := post(strings.Replace(usualNotice, "f6c49d91", fmt.Sprintf("%08d", i), 1))
			p.URL = &url.URL{Scheme: Scheme, Opaque: fmt.Sprintf("ops%d@example.com", i)}
			if a := sender.Send(t.Context(), p); a.Status != 200 {
				t.Errorf("%d: %+v", i, a)
			}
		})
	}
	wg.Wait()
	got := map[string]string{}
	for _, r := range s.all() {
		got[r.to] = parse(t, r.text).header.Get("Message-Id")
	}
	want := map[string]string{}
	for i := range many {
		want[fmt.Sprintf("ops%d@example.com", i)] = fmt.Sprintf("<%08d-926b-4473-b2f3-8d8fd295c968@example.com>", i)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recipients and ids (-want +got):\n%s", diff)
	}
}

// What is no address, or no notice, is refused before anything is connected to.
func TestSendRefusesRequest(t *testing.T) {
	t.Parallel()
	sender := New(Options{Host: "127.0.0.1", Port: 1, TLS: TLSNone, From: netmail.Address{Address: "hookswitch@example.com"}})
	for raw, good := range map[string]bool{
		"mailto:ops@example.com":                        true,
		"mailto:ops%2Balerts@example.com":               true,
		"mailto:o'ps@mail.example.com":                  true,
		"mailto:":                                       false,
		"mailto:ops":                                    false,
		"mailto:ops@example.com,other@example.com":      false,
		"mailto:ops@example.com?subject=x":              false,
		"mailto:ops@example.com?cc=other@example.com":   false,
		"mailto:Ops%20%3Cops@example.com%3E":            false,
		"mailto:ops@example.com%0D%0ARCPT%20TO:x@y.org": false,
		"mailto:%22a%0D%0Ab%22@example.com":             false,
		"https://receiver.example/":                     false,
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := sender.Check(u); (err == nil) != good {
			t.Errorf("%s: %v", raw, err)
		}
		if !good {
			if a := sender.Send(t.Context(), hook.Post{URL: u, Body: []byte(usualNotice), Timeout: timeout}); a.Failure != hook.FailureRequest {
				t.Errorf("%s: %+v", raw, a)
			}
		}
	}
	for _, body := range []string{"", "[]", `{}`, `{"id":"x"}`, `{"entities":[]}`} {
		if a := sender.Send(t.Context(), post(body)); a.Failure != hook.FailureRequest || !strings.Contains(a.Error, "no notice") {
			t.Errorf("%s: %+v", body, a)
		}
	}
	if a := sender.Send(t.Context(), hook.Post{Body: []byte(usualNotice), Timeout: timeout}); a.Failure != hook.FailureRequest {
		t.Errorf("no URL: %+v", a)
	}
}
