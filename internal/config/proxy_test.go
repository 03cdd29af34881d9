package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/internal/config"
)

// A proxy's URL says how to speak to it, where, and as whom; what is wrong with one is said without the password.
func TestEgressProxy(t *testing.T) {
	long := strings.Repeat("s3cret", 50)
	for text, want := range map[string]string{
		"":                                     "",
		"http://proxy.example":                 "http proxy.example 80",
		"http://proxy.example:3128/":           "http proxy.example 3128",
		"https://user:s3cret@proxy.example":    "https proxy.example 443 user s3cret",
		"socks5://[::1]":                       "socks5 ::1 1080",
		"socks5://a%3Ab:p%40s3cret@10.0.0.1:1": "socks5 10.0.0.1 1 a:b p@s3cret",
		"proxy.example:3128":                   "is not a proxy's URL",
		"ftp://proxy.example":                  "is not a proxy's URL",
		"socks4://proxy.example":               "is not a proxy's URL",
		"http://:3128":                         "is not a proxy's URL",
		"http://user:s3/cret@proxy.example":    "is not a proxy's URL",
		"http://proxy.example:0":               "a port that is not a number from 1 to 65535",
		"http://proxy.example:65536":           "a port that is not a number from 1 to 65535",
		"http://proxy.example/path":            "must end with the host or its port",
		"http://proxy.example?x=s3cret":        "must end with the host or its port",
		"http://user@proxy.example":            "both a user and a password",
		"http://:s3cret@proxy.example":         "both a user and a password",
		"http://user:" + long + "@proxy":       "more than 255 bytes",
		"http://user:s3cret%0A@proxy.example":  "control character",
		"http://us%3Aer:s3cret@proxy.example":  "a colon in its user",
	} {
		flags := map[string]string{}
		if text != "" {
			flags["egress-proxy"] = text
		}
		c, err := config.Load(from(t, flags, nil, ""))
		got := ""
		if err != nil {
			got = err.Error()
		} else if p := c.Targets.Proxy; p != nil {
			got = strings.TrimSpace(fmt.Sprint(p.Scheme, " ", p.Host, " ", p.Port, " ", p.User, " ", p.Password.Reveal()))
			for _, s := range c.Settings() {
				if strings.Contains(s.Value, "s3cret") || strings.Contains(fmt.Sprintf("%+v", *p), "s3cret") {
					t.Errorf("%s shows the password", s.Name)
				}
			}
		}
		if err == nil && got != want || err != nil && (!strings.Contains(got, want) || strings.Contains(got, "s3cret")) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
