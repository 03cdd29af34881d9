package config

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// ProxyLoginBytesMax bounds the user and the password of the egress proxy: SOCKS has one byte for the length of each (RFC 1929).
const ProxyLoginBytesMax = 255

// EgressProxy is the proxy that receivers are reached through.
type EgressProxy struct {
	// Scheme is http, https or socks5.
	Scheme   string
	Host     string
	Port     int
	User     string
	Password hook.Secret
}

// proxyPorts are the ports of proxies whose URL names none, by scheme.
func proxyPorts() map[string]int { return map[string]int{"http": 80, "https": 443, "socks5": 1080} }

// parseProxy reads the egress proxy's URL; empty is none.
func parseProxy(text string) (*EgressProxy, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || proxyPorts()[u.Scheme] == 0 {
		return nil, errors.New("is not a proxy's URL, such as http://user:password@proxy.example.com:3128, https://… or socks5://… " +
			"(write @ : / ? # and % in a password as %40 %3A %2F %3F %23 and %25)")
	}
	p := &EgressProxy{Scheme: u.Scheme, Host: u.Hostname(), Port: proxyPorts()[u.Scheme]}
	if u.Port() != "" {
		if p.Port, err = strconv.Atoi(u.Port()); err != nil || p.Port < 1 || p.Port > 65_535 {
			return nil, errors.New("has a port that is not a number from 1 to 65535")
		}
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, errors.New("must end with the host or its port")
	}
	if u.User == nil {
		return p, nil
	}
	p.User = u.User.Username()
	password, _ := u.User.Password()
	switch {
	case p.User == "" || password == "":
		return nil, errors.New("must have both a user and a password, or none of them")
	case len(p.User) > ProxyLoginBytesMax || len(password) > ProxyLoginBytesMax:
		return nil, fmt.Errorf("has a user or password of more than %d bytes", ProxyLoginBytesMax)
	case strings.ContainsFunc(p.User+password, unicode.IsControl):
		return nil, errors.New("has a control character in its user or password")
	case p.Scheme != "socks5" && strings.Contains(p.User, ":"):
		return nil, errors.New("has a colon in its user, which HTTP cannot carry")
	}
	p.Password = hook.NewSecret(password)
	return p, nil
}
