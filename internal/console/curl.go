package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// concealed is the value of a header that is not shown.
const concealed = "***"

// The shell variables of a curl line that stand for what is not shown.
const (
	shellPrefix      = "RECEIVER_"
	shellURL         = shellPrefix + "URL"
	shellCertificate = shellPrefix + "CERTIFICATE"
	shellKey         = shellPrefix + "KEY"
	shellRoots       = shellPrefix + "ROOTS"
)

// repetition is a command that sends a request again, and the shell variables that it needs, each with what it stands for.
type repetition struct {
	Command   string
	Variables []variable
}

// variable is a shell variable that somebody has to set.
type variable struct{ Name, Means string }

// curlOf writes the command that sends a body to a webhook with some headers. It holds no secret: what is concealed, or may be a secret, is
// a variable. showURL is whether the URL may be seen; its query, which often holds a token, never is.
func curlOf(w *hook.Webhook, header http.Header, body []byte, showURL bool) repetition {
	var r repetition
	timeout := time.Duration(w.Settings.RequestTimeout)
	// Brackets and dots in the URL are sent as they stand (curl(1), --globoff and --path-as-is).
	parts := []string{"curl --globoff --path-as-is --include --silent --show-error --max-time " + strconv.FormatFloat(timeout.Seconds(), 'f', -1, 64)}
	if u, err := url.Parse(w.Settings.URL); showURL && err == nil && u.RawQuery == "" {
		parts[0] += " " + shellQuote(w.Settings.URL)
	} else {
		parts[0] += " " + r.variable(shellURL, "the webhook's URL")
	}
	for _, name := range headerNames(header) {
		for _, value := range header[name] {
			parts = append(parts, "--header "+r.header(name, value))
		}
	}
	for _, name := range [...]string{"Accept", "User-Agent"} { // which curl would add
		if _, ok := header[name]; !ok {
			parts = append(parts, "--header "+shellQuote(name+":"))
		}
	}
	if t := &w.Settings.TLS; t.Certificate != "" {
		parts = append(parts, "--cert "+r.variable(shellCertificate, "a file with the webhook's client certificate"), "--key "+r.variable(shellKey, "a file with its private key"))
	}
	if w.Settings.TLS.Roots != "" {
		parts = append(parts, "--cacert "+r.variable(shellRoots, "a file with the webhook's roots"))
	}
	parts = append(parts, "--data-raw "+shellQuote(string(body)))
	r.Command = strings.Join(parts, " \\\n  ")
	return r
}

// header writes one header as an argument.
func (r *repetition) header(name, value string) string {
	switch value {
	case concealed:
		return shellQuote(name+": ") + r.variable(shellName(name), "the value of the header "+name)
	case "":
		return shellQuote(name + ";") // curl(1): a header without a value ends with a semicolon
	default:
		return shellQuote(name + ": " + value)
	}
}

// variable notes a variable and writes its value as an argument, or as the end of one.
func (r *repetition) variable(name, means string) string {
	r.Variables = append(r.Variables, variable{name, means})
	return `"$` + name + `"`
}

// shellName makes a variable's name of a header's. The prefix keeps it apart from those that mean something to the shell.
func shellName(header string) string {
	return shellPrefix + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		default:
			return '_'
		}
	}, header)
}

// shellQuote writes a text so that a shell passes on exactly that: between single quotes everything is itself, but a single quote (POSIX.1-2017,
// Shell Command Language, section 2.2.2).
func shellQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// headerNames returns the names of headers, sorted.
func headerNames(h http.Header) []string {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
