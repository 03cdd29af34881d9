package interaction

import (
	"slices"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

func grow(dst []byte, n int) []byte {
	if dst == nil {
		// Exactly n: slices.Grow would round up to more.
		return make([]byte, 0, n)
	}
	return slices.Grow(dst, n)
}

// plain reports whether s needs no escape, which is true of nearly every string of the contract.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// quotedBytes is the length of s as a JSON string, quotes included.
func quotedBytes(s string) int {
	if plain(s) {
		return len(s) + len(`""`)
	}
	n := len(`""`)
	for i := 0; i < len(s); {
		size, escaped := next(s[i:])
		n += escaped
		if escaped == 0 {
			n += size
		}
		i += size
	}
	return n
}

// appendQuoted appends s as a JSON string. What is escaped, and how, follows encoding/json with HTML escaping off:
// what RFC 8259 section 7 demands, and U+2028 and U+2029, which old JavaScript takes for line ends. Bytes that are not
// UTF-8 become U+FFFD.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	if plain(s) {
		dst = append(dst, s...)
		return append(dst, '"')
	}
	for i := 0; i < len(s); {
		size, escaped := next(s[i:])
		if escaped == 0 {
			dst = append(dst, s[i:i+size]...)
		} else {
			dst = appendEscaped(dst, s[i:])
		}
		i += size
	}
	return append(dst, '"')
}

// next gives the size of the first character of s, and the size of its escape, 0 if it needs none.
func next(s string) (size, escaped int) {
	c := s[0]
	switch {
	case c == '"', c == '\\', c == '\b', c == '\f', c == '\n', c == '\r', c == '\t':
		return 1, len(`\n`)
	case c < ' ':
		return 1, len(`\u0000`)
	case c < utf8.RuneSelf:
		return 1, 0
	}
	r, size := utf8.DecodeRuneInString(s)
	if r == '\u2028' || r == '\u2029' || r == utf8.RuneError && size == 1 {
		return size, len(`\u0000`)
	}
	return size, 0
}

// appendEscaped appends the escape of the first character of s, for which next said that it needs one.
func appendEscaped(dst []byte, s string) []byte {
	c := s[0]
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	r := rune(c)
	if c >= utf8.RuneSelf {
		r, _ = utf8.DecodeRuneInString(s)
	}
	return append(dst, '\\', 'u', hexDigits[r>>12&0xf], hexDigits[r>>8&0xf], hexDigits[r>>4&0xf], hexDigits[r&0xf])
}
