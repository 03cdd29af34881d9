package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The bounds of the keys.
const (
	// AdminKeyBytesMin bounds an admin key from below: shorter ones can be guessed.
	AdminKeyBytesMin = 16
	// AdminKeyBytesMax bounds it from above.
	AdminKeyBytesMax = 256
	// DrainTimeoutMax bounds how long a server takes to end.
	DrainTimeoutMax = 10 * time.Minute
	// RetentionShortest bounds the retention from below: it must be longer than any lease.
	RetentionShortest = time.Hour
	// RetentionLongest bounds it from above: 100 years.
	RetentionLongest = 876_000 * time.Hour
	// MetricsWebhooksMax bounds how many webhooks have series of their own in the metrics.
	MetricsWebhooksMax = 10_000
	// ConnectionsMost bounds what connections-max can be set to.
	ConnectionsMost = 1_000_000
	// RequestsMost bounds what requests-max can be set to.
	RequestsMost = 100_000
	// PublicURLBytesMax bounds the public URL, which is in every payload.
	PublicURLBytesMax = 1_024
	// PrivateTargetsMax bounds the list of private targets.
	PrivateTargetsMax = 256
)

// into makes the setter of a field from a parser of its type.
func into[T any](field func(*Config) *T, parse func(string) (T, error)) func(*Config, string) error {
	return func(c *Config, text string) error {
		value, err := parse(text)
		if err == nil {
			*field(c) = value
		}
		return err
	}
}

func parseListen(text string) (string, error) {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", errors.New("is not host:port, such as 127.0.0.1:8480, :8480 or [::1]:8480")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65_535 {
		return "", errors.New("has a port that is not a number from 0 to 65535")
	}
	return text, nil
}

func parseDatabase(text string) (string, error) {
	scheme, rest, found := strings.Cut(text, ":")
	switch {
	case !found || len(scheme) == 1 || strings.ContainsAny(scheme, `/\.`): // a path, which may have a drive or a colon in it
	case scheme == "postgres" || scheme == "postgresql":
		if !strings.HasPrefix(rest, "//") {
			return "", errors.New("is not a PostgreSQL URL, such as postgres://user@host:5432/database")
		}
		if address, _, _ := strings.Cut(rest, "?"); strings.Count(address, "@") > 1 {
			return "", errors.New("has more than one @ before its parameters: in a user name or a password, write @ : / ? # and % as %40 %3A %2F %3F %23 and %25")
		}
	case scheme != "sqlite":
		return "", errors.New("has an unknown scheme: give the path of an SQLite file, sqlite:path, or postgres://user@host:5432/database")
	case rest == "":
		return "", errors.New("names no path behind its scheme")
	}
	if strings.ContainsRune(text, 0) {
		return "", errors.New("holds a NUL byte")
	}
	return text, nil
}

func parsePublicURL(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	switch {
	case len(text) > PublicURLBytesMax:
		return "", fmt.Errorf("is %d bytes long; at most %d are allowed", len(text), PublicURLBytesMax)
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return "", errors.New("is not an absolute http or https URL, such as https://hookswitch.example")
	case u.User != nil:
		return "", errors.New("must not contain a user name or password: it is part of every payload")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return "", errors.New("must not contain a query (?…) or a fragment (#…): paths are appended to it")
	}
	return strings.TrimRight(text, "/"), nil
}

func parseAdminKey(text string) (hook.Secret, error) {
	switch {
	case text == "":
		return hook.Secret{}, nil
	case len(text) < AdminKeyBytesMin || len(text) > AdminKeyBytesMax:
		return hook.Secret{}, fmt.Errorf("is %d bytes long; %d to %d are allowed: make one with `openssl rand -base64 32`",
			len(text), AdminKeyBytesMin, AdminKeyBytesMax)
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return hook.Secret{}, errors.New("holds a space or a character that is not visible ASCII, which no x-api-key header can carry")
	}
	return hook.NewSecret(text), nil
}

func parsePrefixes(text string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(item)
		if addr, alone := netip.ParseAddr(item); err != nil && alone == nil {
			prefix, err = netip.PrefixFrom(addr.Unmap().WithZone(""), addr.Unmap().BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("holds %q, which is neither a CIDR such as 10.0.0.0/8 nor an address", item)
		}
		if prefix != prefix.Masked() {
			return nil, fmt.Errorf("holds %q, which has bits beyond its length: write %v, or the address alone", item, prefix.Masked())
		}
		out = append(out, prefix)
	}
	if len(out) > PrivateTargetsMax {
		return nil, fmt.Errorf("has %d entries; at most %d are allowed", len(out), PrivateTargetsMax)
	}
	return out, nil
}

func oneOf(allowed ...string) func(string) (string, error) {
	return func(text string) (string, error) {
		if value := strings.ToLower(text); slices.Contains(allowed, value) {
			return value, nil
		}
		return "", fmt.Errorf("must be one of %s", strings.Join(allowed, ", "))
	}
}

func number(least, most int) func(string) (int, error) {
	return func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n < least || n > most {
			return 0, fmt.Errorf("must be a whole number from %d to %d", least, most)
		}
		return n, nil
	}
}

func between(least, most time.Duration) func(string) (time.Duration, error) {
	return func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		switch {
		case err != nil:
			return 0, errors.New("is not a duration such as 500ms, 15s or 2m")
		case d < least || d > most:
			return 0, fmt.Errorf("must be from %v to %v", hook.Duration(least), hook.Duration(most))
		}
		return d, nil
	}
}

// zeroOr also takes a duration of zero.
func zeroOr(parse func(string) (time.Duration, error)) func(string) (time.Duration, error) {
	return func(text string) (time.Duration, error) {
		if d, err := time.ParseDuration(text); err == nil && d == 0 {
			return 0, nil
		}
		d, err := parse(text)
		if err != nil {
			return 0, fmt.Errorf("%w; or 0", err)
		}
		return d, nil
	}
}

// parseEndpoint reads a collector's base URL; empty is none.
func parseEndpoint(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("is not an absolute http or https URL, such as http://127.0.0.1:4318")
	case u.User != nil:
		return nil, errors.New("must not contain a user name or password: put credentials into OTEL_EXPORTER_OTLP_HEADERS")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, errors.New("must not contain a query (?…) or a fragment (#…)")
	}
	return u, nil
}

// parseShare reads a number from 0 to 1.
func parseShare(text string) (float64, error) {
	share, err := strconv.ParseFloat(text, 64)
	if err != nil || !(share >= 0 && share <= 1) {
		return 0, errors.New("is not a number from 0 to 1, such as 0.1")
	}
	return share, nil
}
