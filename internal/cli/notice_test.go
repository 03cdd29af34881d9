package cli_test

import (
	"errors"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
)

// mailbox is a real SMTP server that hands over what it gets.
type mailbox chan *mail.Message

func startMailbox(t *testing.T) (m mailbox, address string) {
	t.Helper()
	m = make(mailbox, 16)
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return m, nil }))
	server.Domain, server.ErrorLog = "mail.example", log.New(io.Discard, "", 0)
	return m, serveMail(t, server)
}

// serveMail runs a mail server on loopback until the test ends, and returns its address.
func serveMail(t *testing.T, server *smtp.Server) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := errors.Join(server.Close(), <-ended); err != nil {
			t.Errorf("close the mail server: %v", err)
		}
	})
	return listener.Addr().String()
}

func (mailbox) Mail(string, *smtp.MailOptions) error { return nil }
func (mailbox) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (mailbox) Reset()                               {}
func (mailbox) Logout() error                        { return nil }

func (m mailbox) Data(r io.Reader) error {
	got, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(got.Body)
	if err != nil {
		return err
	}
	m <- &mail.Message{Header: got.Header, Body: strings.NewReader(string(body))}
	return nil
}

// A receiver that fails is told of by e-mail and by webhook, through the same engine: that its deliveries are held back, and that one
// was given up. What was told is listed, and who set it up is in the audit log.
func TestServeTellsOperators(t *testing.T) {
	box, address := startMailbox(t)
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer failing.Close()
	server := launch(t, []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey, "HOOKSWITCH_SMTP=smtp://" + address + "?starttls=none"}, "",
		"serve", "--listen", "127.0.0.1:0", "--allow-private-targets", "127.0.0.0/8", "--smtp-from", "Hookswitch <hookswitch@example.com>",
		"--database", filepath.Join(t.TempDir(), "h.db"))
	env := []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey, "HOOKSWITCH_SERVER=" + server.await(&server.stderr, `msg=listening url=(\S+)`)[1]}
	must := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := run(t, env, "", args...)
		if code != 0 {
			t.Fatalf("%s: %s", strings.Join(args, " "), stderr)
		}
		return stdout
	}
	listener := launch(t, []string{"HOOKSWITCH_SECRET=a secret of the operators"}, "", "listen", "--listen", "127.0.0.1:0")
	url := listener.await(&listener.stderr, `listening on (\S+),`)[1]
	must("webhooks", "create", "--purpose", "notices", "--url", "mailto:ops@example.com")
	must("webhooks", "create", "--purpose", "notices", "--url", url, "--secret", "a secret of the operators", "--notices", "webhook.circuitOpened")
	must("webhooks", "create", "--url", failing.URL, "--retry-attempts", "0", "--circuit-failures", "1", "--description", "the billing system")
	must("interactions", "create", "--queue", "q")

	subjects := ""
	for range 2 {
		m := <-box
		body, err := io.ReadAll(m.Body)
		if err != nil {
			t.Fatal(err)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		if err != nil {
			t.Fatal(err)
		}
		subjects += subject + "\n"
		if m.Header.Get("To") != "<ops@example.com>" || m.Header.Get("From") != `"Hookswitch" <hookswitch@example.com>` || !strings.Contains(string(body), "the billing system") {
			t.Errorf("an e-mail is %v\n%s", m.Header, body)
		}
	}
	for _, want := range []string{"deliveries are held back", "1 delivery given up"} {
		if !strings.Contains(subjects, want) {
			t.Errorf("no e-mail says %q: %q", want, subjects)
		}
	}
	listener.await(&listener.stdout, `NOTICE +webhook\.circuitOpened .* verified by .* -> 200`)
	list := must("notices", "list")
	for _, want := range []string{"webhook.circuitOpened", "delivery.exhausted"} {
		if strings.Count(list, want) != 1 {
			t.Errorf("the list of notices says %q %d times:\n%s", want, strings.Count(list, want), list)
		}
	}
	if log := must("audit", "list", "--json"); strings.Count(log, `"webhook.create"`) != 3 || strings.Contains(log, "a secret of") {
		t.Errorf("the audit log: %s", log)
	}
}
