package hook

import (
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
)

// The bounds of a webhook's settings (specification, section 4); sizes are in bytes.
const (
	URLBytesMax         = 2_048                            // URLBytesMax bounds the URL.
	DescriptionBytesMax = 1_024                            // DescriptionBytesMax bounds the description.
	RequestTimeoutMin   = Duration(time.Second)            // RequestTimeoutMin is the shortest request timeout.
	RequestTimeoutMax   = Duration(60 * time.Second)       // RequestTimeoutMax is the longest request timeout.
	RetryTimeoutMin     = Duration(100 * time.Millisecond) // RetryTimeoutMin is the shortest wait before a redelivery.
	RetryTimeoutMax     = Duration(24 * time.Hour)         // RetryTimeoutMax is the longest wait before a redelivery.
	RetryAttemptsMax    = 100                              // RetryAttemptsMax bounds the redeliveries.
	RetryBackoffMin     = 1                                // RetryBackoffMin is the smallest factor: waits of one length.
	RetryBackoffMax     = 10                               // RetryBackoffMax is the largest factor.
	RetryJitterMax      = 0.5                              // RetryJitterMax is the largest share of a wait that is random.
	ConcurrencyMax      = 1_024                            // ConcurrencyMax bounds the POSTs in flight, per node.
	RateLimitMax        = 100_000                          // RateLimitMax bounds the POSTs per second, per node.
	BatchEventsMax      = 500                              // BatchEventsMax bounds the events of one POST.
	BatchLingerMax      = Duration(time.Second)            // BatchLingerMax is the longest wait for more events.
	HeadersMax          = 20                               // HeadersMax bounds a webhook's own headers.
	HeaderNameBytesMax  = 128                              // HeaderNameBytesMax bounds the name of one of them.
	HeaderValueBytesMax = 1_024                            // HeaderValueBytesMax bounds the value of one of them.
)

// Validate checks every setting; the error is an [InvalidError] that names all wrong ones with the prefix before each name.
// Whether the URL's address may be reached is not decided here but when it is dialled.
func (s *Settings) Validate(prefix string) error {
	c := new(checker)
	if s.Serves() == PurposeNotices && strings.HasPrefix(s.URL, mailScheme) {
		c.mailURL(prefix+"url", s.URL)
	} else {
		c.webhookURL(prefix+"url", s.URL)
	}
	c.text(prefix+"description", s.Description, 0, DescriptionBytesMax)
	checkList(c, prefix+"events", s.Events, interaction.Events())
	checkList(c, prefix+"mediaTypes", s.MediaTypes, interaction.MediaTypes())
	checkList(c, prefix+"subtypes", s.Subtypes, interaction.Subtypes())
	c.purpose(prefix, s)
	c.duration(prefix+"requestTimeout", s.RequestTimeout, RequestTimeoutMin, RequestTimeoutMax)
	c.retry(prefix+"retry.", &s.Retry)
	if s.Success != Success200 && s.Success != Success2xx {
		c.fail(prefix+"success", string(s.Success), "must be %q or %q", Success200, Success2xx)
	}
	c.breaker(prefix+"circuitBreaker.", s.Breaker)
	c.disable(prefix+"disable.", s.Disable)
	c.number(prefix+"concurrency", s.Concurrency, 1, ConcurrencyMax)
	if s.RateLimit != 0 {
		c.number(prefix+"rateLimit", s.RateLimit, 1, RateLimitMax)
	}
	c.number(prefix+"batch.maxEvents", s.Batch.MaxEvents, 1, BatchEventsMax)
	c.duration(prefix+"batch.linger", s.Batch.Linger, 0, BatchLingerMax)
	checkList(c, prefix+"signatures", s.Signatures, Signatures())
	if !slices.Contains(s.Signatures, SignatureSHA1) {
		c.fail(prefix+"signatures", "", "must contain %q: receivers of the original rely on X-Hub-Signature", SignatureSHA1)
	}
	checkList(c, prefix+"metadata", s.Metadata, MetadataHeaders())
	c.headers(prefix+"headers", s.Headers)
	c.credentials(prefix, s)
	return c.err()
}

// ValidateSecret checks an app secret that was given; the value is never repeated.
func ValidateSecret(field, secret string) error {
	c := new(checker)
	if n := len(secret); n < SecretBytesMin || n > SecretBytesMax {
		c.fail(field, "", "is %d bytes long; %d to %d are allowed", n, SecretBytesMin, SecretBytesMax)
	} else if problem := textProblem(secret); problem != "" {
		c.fail(field, "", "%s", problem)
	}
	return c.err()
}

// webhookURL checks the URL and never repeats it: its user information or its query may be a secret.
func (c *checker) webhookURL(field, raw string) {
	problem := textProblem(raw)
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		c.fail(field, "", "must not be empty")
	case len(raw) > URLBytesMax:
		c.fail(field, "", "is %d bytes long; at most %d are allowed", len(raw), URLBytesMax)
	case problem != "":
		c.fail(field, "", "%s", problem)
	case strings.HasPrefix(raw, mailScheme):
		c.fail(field, "", "must begin with https://; mailto: is for webhooks whose purpose is %q", PurposeNotices)
	case err != nil || u.Hostname() == "":
		c.fail(field, "", "is not an absolute URL such as https://receiver.example/interactions")
	case u.Scheme != "https" && u.Scheme != "http":
		c.fail(field, "", "must begin with https:// (or http:// where private targets are allowed)")
	case u.User != nil:
		c.fail(field, "", "must not contain a user name or password; use headers instead")
	case strings.Contains(raw, "#"):
		c.fail(field, "", "must not contain a fragment (#…)")
	case !validPort(u.Port()):
		c.fail(field, "", "has a port that is not a number from 1 to 65535")
	}
}

func validPort(port string) bool {
	n, err := strconv.Atoi(port)
	return port == "" || err == nil && n >= 1 && n <= 65_535
}

func (c *checker) retry(prefix string, r *Retry) {
	c.duration(prefix+"timeout", r.Timeout, RetryTimeoutMin, RetryTimeoutMax)
	c.number(prefix+"attempts", r.Attempts, 0, RetryAttemptsMax)
	c.factor(prefix+"backoff", r.Backoff, RetryBackoffMin, RetryBackoffMax)
	// A timeout that is wrong itself must not move the bounds of this one out of what is possible.
	least := min(max(r.Timeout, RetryTimeoutMin), RetryTimeoutMax)
	c.duration(prefix+"maxTimeout", r.MaxTimeout, least, RetryTimeoutMax)
	c.factor(prefix+"jitter", r.Jitter, 0, RetryJitterMax)
}

func (c *checker) duration(field string, d, least, most Duration) {
	if d < least || d > most {
		c.fail(field, d.String(), "must be from %v to %v", least, most)
	}
}

func (c *checker) number(field string, n, least, most int) {
	if n < least || n > most {
		c.fail(field, strconv.Itoa(n), "must be from %d to %d", least, most)
	}
}

func (c *checker) factor(field string, f, least, most float64) {
	if !(f >= least && f <= most) { // so that NaN fails too
		c.fail(field, strconv.FormatFloat(f, 'g', -1, 64), "must be from %g to %g", least, most)
	}
}

// checkList checks a list without repetitions. One that is longer than it can be is not examined further, so that a long
// list does not make a far longer error.
func checkList[T ~string](c *checker, field string, list, allowed []T) {
	if len(list) > len(allowed) {
		c.fail(field, "", "has %d entries; at most %d are allowed", len(list), len(allowed))
		return
	}
	seen := make(map[T]bool, len(list))
	for i, v := range list {
		at := field + "[" + strconv.Itoa(i) + "]"
		switch {
		case !slices.Contains(allowed, v):
			c.fail(at, string(v), "must be one of %v", allowed)
		case seen[v]:
			c.fail(at, string(v), "is named twice")
		}
		seen[v] = true
	}
}

// reservedHeaders are those that a webhook's own headers must not touch: the ones that Hookswitch sends; b3, which
// says in one header what X-B3-* say in several and could contradict them (B3 propagation, "Single Header"); and those that
// frame an HTTP message or belong to one connection (RFC 9110, section 7.6.1). Proxy is no header at all, but one that CGI programs
// take for their HTTP_PROXY ("httpoxy", CVE-2016-5385).
func reservedHeaders() []string {
	return []string{
		"B3", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host", "Http2-Settings", "Keep-Alive", "Proxy", "Proxy-Connection",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent", "Webhook-Id", "Webhook-Signature", "Webhook-Timestamp", "X-Ccid",
	}
}

// reservedPrefixes are the families of headers that Hookswitch sends.
func reservedPrefixes() []string {
	return []string{"Hookswitch-", "X-B3-", "X-Hub-Signature", "Proxy-"}
}

func (c *checker) headers(field string, headers map[string]string) {
	if len(headers) > HeadersMax {
		c.fail(field, "", "has %d entries; at most %d are allowed", len(headers), HeadersMax)
		return
	}
	seen := make(map[string]bool, len(headers))
	for _, name := range sortedKeys(headers) {
		at, value := field+"."+clip(name), headers[name]
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case name == "" || len(name) > HeaderNameBytesMax || !validHeaderName(name):
			c.fail(at, name, "is not a header name of 1 to %d letters, digits and dashes", HeaderNameBytesMax)
		case reserved(canonical):
			c.fail(at, "", "is a header that Hookswitch or HTTP sets itself")
		case seen[canonical]:
			c.fail(at, "", "is named twice")
		case len(value) > HeaderValueBytesMax:
			c.fail(at, "", "is %d bytes long; at most %d are allowed", len(value), HeaderValueBytesMax)
		case !validHeaderValue(value):
			c.fail(at, "", "holds a character that a header value must not hold")
		}
		seen[canonical] = true
	}
}

// reserved reports whether a name is one of these. CGI and its like make an underscore of a dash (RFC 3875, section 4.1.18), so that a receiver
// behind them takes one name for the other.
func reserved(canonical string) bool {
	if strings.Contains(canonical, "_") {
		canonical = textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(canonical, "_", "-"))
	}
	return slices.Contains(reservedHeaders(), canonical) ||
		slices.ContainsFunc(reservedPrefixes(), func(prefix string) bool { return strings.HasPrefix(canonical, prefix) })
}

// validHeaderName reports whether the name is a token (RFC 9110, section 5.6.2).
func validHeaderName(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		alphanumeric := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !alphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// validHeaderValue reports whether the value has only visible ASCII, spaces and tabs inside (RFC 9110, section 5.5).
func validHeaderValue(value string) bool {
	return strings.TrimSpace(value) == value &&
		!strings.ContainsFunc(value, func(r rune) bool { return r != '\t' && (r < ' ' || r > '~') })
}
