package signature

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// parseHub reads one value of the header of that name. With Base64NotHex it gives the MAC as well.
func parseHub(name, value string) (scheme, []byte, *Error) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, nil, &Error{NoHeader, name + " is present but empty"}
	}
	algorithm, digits, found := strings.Cut(value, "=")
	s := schemeSHA256
	switch {
	case found && algorithm == "sha256":
	case found && algorithm == "sha1" && name != Hub256Header:
		// Hub256Header must not be answered with the weaker algorithm. HubHeader may have either: WebSub,
		// section "Authenticated Content Distribution", knows several methods there.
		s = schemeSHA1
	default:
		return 0, nil, &Error{UnknownAlgorithm, unknown(name, value, algorithm, found)}
	}
	mac, err := hex.DecodeString(digits)
	if err == nil && len(mac) == s.size() {
		return s, mac, nil
	}
	if mac, ok := fromBase64(digits, s.size()); ok {
		return s, mac, &Error{Base64NotHex, fmt.Sprintf("%s holds the %s in base64, not in hexadecimal", name, s)}
	}
	return s, nil, &Error{MalformedHex, name + " " + malformed(s, digits)}
}

func unknown(name, value, algorithm string, found bool) string {
	switch {
	case found && (algorithm == "sha1" || algorithm == "sha256"):
		return fmt.Sprintf("%s names the algorithm %s, but must name sha256", name, algorithm)
	case found && (strings.EqualFold(algorithm, "sha1") || strings.EqualFold(algorithm, "sha256")):
		return fmt.Sprintf("%s names the algorithm %q; the name must be in lower case", name, algorithm)
	case isHex(value) && len(value) == 2*schemeSHA1.size():
		return name + " has no algorithm before its 40 hex digits; that many are a sha1, so sha1= is missing before them"
	case isHex(value) && len(value) == 2*schemeSHA256.size():
		return name + " has no algorithm before its 64 hex digits; that many are a sha256, so sha256= is missing before them"
	case strings.HasPrefix(value, prefixStandard):
		return name + " holds a signature of Standard Webhooks, which belongs into " + StandardHeader
	case found:
		return fmt.Sprintf("%s names the algorithm %s, which is not known", name, shorten(algorithm))
	}
	return fmt.Sprintf("%s has no algorithm: its value is %s", name, shorten(value))
}

// malformed says what is wrong with the digits of a signature, upper case not being wrong.
func malformed(s scheme, digits string) string {
	for i := range len(digits) {
		if c := digits[i]; !isHex(digits[i : i+1]) {
			return fmt.Sprintf("has the character %q at digit %d of its %s, which is not a hex digit", rune(c), i+1, s)
		}
	}
	detail := fmt.Sprintf("has %d hex digits, but a %s has %d", len(digits), s, 2*s.size())
	for _, other := range []scheme{schemeSHA1, schemeSHA256} {
		if other != s && len(digits) == 2*other.size() {
			detail += fmt.Sprintf("; %d are a %s", len(digits), other)
		}
	}
	return detail
}

func isHex(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return text != ""
}

// fromBase64 decodes any usual form of base64 that holds exactly size bytes.
func fromBase64(text string, size int) ([]byte, bool) {
	text = strings.TrimRight(text, "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if encoding.EncodedLen(size) != len(text) {
			continue
		}
		if mac, err := encoding.DecodeString(text); err == nil && len(mac) == size {
			return mac, true
		}
	}
	return nil, false
}
