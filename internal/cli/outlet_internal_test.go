package cli

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	netmail "net/mail"

	"github.com/hookswitch/hookswitch/internal/config"
	"github.com/hookswitch/hookswitch/internal/egress"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// Posts go where the scheme of their URL says, and to nowhere where no mail server is configured.
func TestOutlet(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := int(netip.MustParseAddrPort(listener.Addr().String()).Port())
	if err := listener.Close(); err != nil { // so that nothing listens there
		t.Fatal(err)
	}
	web := egress.New(egress.Options{})
	defer web.Close()
	without := &outlet{web: web, mail: newMailer(&config.Mail{}, "v1")}
	with := &outlet{web: web, mail: newMailer(&config.Mail{
		Server: &config.MailServer{Host: "127.0.0.1", Port: port, TLS: config.MailRequired}, From: netmail.Address{Address: "hookswitch@example.com"},
	}, "v1")}
	for name, tt := range map[string]struct {
		out     *outlet
		url     string
		check   string
		failure hook.Failure
		want    string
	}{
		"e-mail without a server":  {without, "mailto:ops@example.com", "set the keys smtp and smtp-from", hook.FailureRequest, "set the keys smtp and smtp-from"},
		"e-mail":                   {with, "mailto:ops@example.com", "", hook.FailureRefused, "mail server 127.0.0.1: connection refused"},
		"e-mail to no address":     {with, "mailto:ops", "one address", hook.FailureRequest, "one address"},
		"HTTP":                     {with, "https://127.0.0.1/", "127.0.0.1", hook.FailureBlocked, "127.0.0.1"},
		"HTTP without mail server": {without, "https://127.0.0.1/", "127.0.0.1", hook.FailureBlocked, "127.0.0.1"},
	} {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		switch err := tt.out.check(u); {
		case tt.check == "" && err != nil, tt.check != "" && (err == nil || !strings.Contains(err.Error(), tt.check)):
			t.Errorf("%s: check says %v, want %q", name, err, tt.check)
		}
		a := tt.out.Send(t.Context(), hook.Post{URL: u, Body: []byte(`{"id":"1","type":"io.hookswitch.test"}`), Timeout: 10 * time.Second})
		if a.Failure != tt.failure || !strings.Contains(a.Error, tt.want) {
			t.Errorf("%s: %+v, want %v with %q", name, a, tt.failure, tt.want)
		}
	}
	if !errors.Is(without.check(&url.URL{Scheme: "mailto", Opaque: "ops@example.com"}), errNoMail) {
		t.Error("another error")
	}
	for _, mode := range []string{config.MailImplicit, config.MailRequired, config.MailOptional, config.MailPlain} {
		if tlsModes()[mode] == "" {
			t.Errorf("%s means nothing to the sender", mode)
		}
	}
}
