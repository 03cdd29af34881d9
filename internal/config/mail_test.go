package config_test

import (
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/internal/config"
)

// The parts of a mail server's URL that are left out mean the safe and usual.
func TestMailServer(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "none",
		"smtp://mail.example":                 "mail.example 587 required",
		"smtp://mail.example:2525/":           "mail.example 2525 required",
		"smtps://mail.example":                "mail.example 465 implicit",
		"smtps://user:pass@mail.example:2465": "mail.example 2465 implicit user pass",
		"smtp://user%40example.com:p%3A%2Fs@mail.example?starttls=required": "mail.example 587 required user@example.com p:/s",
		"smtp://127.0.0.1:25?starttls=none":                                 "127.0.0.1 25 none",
		"smtp://[::1]:25?starttls=optional":                                 "::1 25 optional",
	} {
		flags := map[string]string{"smtp": text}
		if text != "" {
			flags["smtp-from"] = "hookswitch@example.com"
		}
		c, err := config.Load(from(t, flags, nil, ""))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := described(c.Mail.Server); got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}

// A mail server without a sender, and a sender without a mail server, are refused, and the password is shown nowhere.
func TestMailKeysBelongTogether(t *testing.T) {
	for key, flags := range map[string]map[string]string{
		"smtp-from": {"smtp": "smtp://user:s3cret@mail.example"},
		"smtp":      {"smtp-from": "hookswitch@example.com"},
	} {
		_, err := config.Load(from(t, flags, nil, ""))
		problems := problemsOf(t, err)
		if len(problems) != 1 || problems[0].Key != key || !strings.Contains(problems[0].Message, "is needed where") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %+v", key, problems)
		}
	}
	c, err := config.Load(from(t, map[string]string{"smtp": "smtp://user:s3cret@mail.example", "smtp-from": "hookswitch@example.com"}, nil, ""))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := c.YAML(); err != nil || strings.Contains(text, "s3cret") {
		t.Errorf("the configuration shows the password: %s, %v", text, err)
	}
}
