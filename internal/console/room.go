package console

import (
	"strings"
	"unicode/utf8"
)

const (
	// attemptsBytesMax is how much of a page the requests and responses of attempts may take together; those beyond are told of.
	attemptsBytesMax = 1 << 20
	// escapedBytes is how long the HTML of a character is that has a meaning in it, at most.
	escapedBytes = len("&#34;")
	// receiverNameBytesMax is how much is shown of what a webhook is called where it is named again and again.
	receiverNameBytesMax = 200
)

// fit leaves the request and the response of an attempt out where the page has no room for them any more, and says so.
func (c *call) fit(v *attemptView) {
	takes := escaped(string(v.Response)) + escaped(v.Request.Body) + escaped(v.Request.Curl.Command)
	for _, h := range v.Request.Headers {
		takes += escaped(h.Value)
	}
	if c.attemptBytes += takes; c.attemptBytes <= attemptsBytesMax {
		return
	}
	c.attemptBytes -= takes
	v.Response = nil
	v.Request = &requestView{Notes: []string{"This page has no room left for the request and the response of this attempt. The API and hookswitch deliveries get show the response."}}
}

// escaped is how long the HTML of a text is, about.
func escaped(text string) int {
	n := len(text)
	for _, special := range [...]string{`"`, "'", "&", "<", ">", "+"} {
		n += (escapedBytes - 1) * strings.Count(text, special)
	}
	return n
}

// shortName is the beginning of a long name.
func shortName(name string) string {
	if len(name) <= receiverNameBytesMax {
		return name
	}
	end := receiverNameBytesMax
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end] + "…"
}
