package hook

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// textProblem says why a text cannot be stored and shown on one line, or nothing. A NUL byte or broken UTF-8 would be
// refused by PostgreSQL, and control characters would let one record forge lines of a log or a terminal.
func textProblem(s string) string {
	if !utf8.ValidString(s) {
		return "is not valid UTF-8"
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return "holds a control character"
		}
	}
	return ""
}

// linesProblem says why a text of any number of lines cannot be stored, or nothing.
func linesProblem(s string) string {
	switch {
	case !utf8.ValidString(s):
		return "is not valid UTF-8"
	case strings.Contains(s, "\x00"):
		return "holds a NUL byte"
	default:
		return ""
	}
}
