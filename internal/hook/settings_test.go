package hook_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

func validSettings() hook.Settings {
	s := hook.DefaultSettings()
	s.URL = "https://receiver.example/interactions"
	return s
}

// A bound is one numeric setting with values that are on the edge, just inside it, and just outside it.
type bound struct {
	field           string
	inside, outside []func(*hook.Settings)
}

func each[T any](set func(*hook.Settings, T), values ...T) []func(*hook.Settings) {
	var list []func(*hook.Settings)
	for _, v := range values {
		list = append(list, func(s *hook.Settings) { set(s, v) })
	}
	return list
}

func between[T any](field string, set func(*hook.Settings, T), inside, outside []T) bound {
	return bound{field, each(set, inside...), each(set, outside...)}
}

func durationsBetween(field string, set func(*hook.Settings, hook.Duration), least, most time.Duration) bound {
	lo, hi := hook.Duration(least), hook.Duration(most)
	return between(field, set,
		[]hook.Duration{lo, lo + 1, hi - 1, hi},
		[]hook.Duration{lo - 1, hi + 1, -hi, math.MinInt64, math.MaxInt64})
}

func numbersBetween(field string, set func(*hook.Settings, int), least, most int) bound {
	return between(field, set, []int{least, least + 1, most - 1, most}, []int{least - 1, most + 1, math.MinInt, math.MaxInt})
}

func factorsBetween(field string, set func(*hook.Settings, float64), least, most float64) bound {
	return between(field, set,
		[]float64{least, math.Nextafter(least, most), math.Nextafter(most, least), most},
		[]float64{math.Nextafter(least, math.Inf(-1)), math.Nextafter(most, math.Inf(1)), math.NaN(), math.Inf(1), math.Inf(-1)})
}

// bounds are those of specification, section 4, as literal numbers.
func bounds() []bound {
	return []bound{
		durationsBetween("requestTimeout", func(s *hook.Settings, d hook.Duration) { s.RequestTimeout = d }, time.Second, time.Minute),
		durationsBetween("retry.timeout", func(s *hook.Settings, d hook.Duration) {
			s.Retry.Timeout, s.Retry.MaxTimeout = d, hook.Duration(24*time.Hour)
		}, 100*time.Millisecond, 24*time.Hour),
		durationsBetween("retry.maxTimeout", func(s *hook.Settings, d hook.Duration) {
			s.Retry.Timeout, s.Retry.MaxTimeout = hook.Duration(100*time.Millisecond), d
		}, 100*time.Millisecond, 24*time.Hour),
		numbersBetween("retry.attempts", func(s *hook.Settings, n int) { s.Retry.Attempts = n }, 0, 100),
		factorsBetween("retry.backoff", func(s *hook.Settings, f float64) { s.Retry.Backoff = f }, 1, 10),
		factorsBetween("retry.jitter", func(s *hook.Settings, f float64) { s.Retry.Jitter = f }, 0, 0.5),
		numbersBetween("concurrency", func(s *hook.Settings, n int) { s.Concurrency = n }, 1, 1_024),
		// Zero is no limit, so it is not just outside.
		between("rateLimit", func(s *hook.Settings, n int) { s.RateLimit = n }, []int{0, 1, 2, 99_999, 100_000}, []int{-1, 100_001}),
		numbersBetween("batch.maxEvents", func(s *hook.Settings, n int) { s.Batch.MaxEvents = n }, 1, 500),
		durationsBetween("batch.linger", func(s *hook.Settings, d hook.Duration) { s.Batch.Linger = d }, 0, time.Second),
		// Zero is the default of these, so it is not just outside.
		between("circuitBreaker.failures", func(s *hook.Settings, n int) { s.Breaker.Failures = n }, []int{0, 1, 2, 999, 1_000}, []int{-1, 1_001, math.MinInt, math.MaxInt}),
		factorsBetween("circuitBreaker.share", func(s *hook.Settings, f float64) { s.Breaker.Share = f }, 0.01, 1),
		between("circuitBreaker.minimum", func(s *hook.Settings, n int) { s.Breaker.Minimum = n }, []int{0, 1, 2, 99_999, 100_000}, []int{-1, 100_001, math.MinInt, math.MaxInt}),
		between("disable.after", func(s *hook.Settings, d hook.Duration) { s.Disable.After = d },
			[]hook.Duration{0, hook.Duration(time.Minute), hook.Duration(time.Minute + 1), hook.Duration(720 * time.Hour)},
			[]hook.Duration{-1, 1, hook.Duration(time.Minute - 1), hook.Duration(720*time.Hour + 1), math.MinInt64, math.MaxInt64}),
	}
}

func TestI7SettingsBounds(t *testing.T) {
	for _, b := range bounds() {
		t.Run(b.field, func(t *testing.T) {
			for n, set := range b.inside {
				s := validSettings()
				set(&s)
				if err := s.Validate(""); err != nil {
					t.Errorf("inside %d: %v", n, err)
				}
			}
			for _, set := range b.outside {
				s := validSettings()
				set(&s)
				checkFields(t, s.Validate(""), b.field)
				checkFields(t, s.Validate("body."), "body."+b.field)
			}
		})
	}
}

// The longest wait is bounded by the first one too, unless that one is wrong itself: then only what is possible counts.
func TestMaxTimeoutIsNotShorterThanTimeout(t *testing.T) {
	for _, test := range []struct {
		timeout, maxTimeout time.Duration
		want                []string
	}{
		{time.Minute, time.Minute, nil},
		{time.Minute, time.Minute + 1, nil},
		{time.Minute, time.Minute - 1, []string{"retry.maxTimeout"}},
		{24 * time.Hour, 24 * time.Hour, nil},
		{0, 0, []string{"retry.timeout", "retry.maxTimeout"}},
		{-time.Hour, -time.Minute, []string{"retry.timeout", "retry.maxTimeout"}},
		{-time.Hour, time.Hour, []string{"retry.timeout"}},
		{48 * time.Hour, 24 * time.Hour, []string{"retry.timeout"}},
		{48 * time.Hour, 48 * time.Hour, []string{"retry.timeout", "retry.maxTimeout"}},
	} {
		t.Run(fmt.Sprintf("%v and %v", test.timeout, test.maxTimeout), func(t *testing.T) {
			s := validSettings()
			s.Retry.Timeout, s.Retry.MaxTimeout = hook.Duration(test.timeout), hook.Duration(test.maxTimeout)
			checkFields(t, s.Validate(""), test.want...)
		})
	}
}

func TestValidSettings(t *testing.T) {
	s := validSettings()
	checkFields(t, s.Validate(""))
	hook.PresetGenesys.Apply(&s)
	checkFields(t, s.Validate(""))
	s.Retry.Attempts, s.Signatures, s.Metadata = 0, []hook.Signature{hook.SignatureSHA1}, nil
	checkFields(t, s.Validate(""))
}

func TestEveryWrongSettingIsNamedAtOnce(t *testing.T) {
	s := hook.Settings{
		URL: "ftp://receiver.example/", Description: "\x00",
		Filter: hook.Filter{
			Events: []interaction.Event{"BEGUN"}, MediaTypes: []interaction.MediaType{"voice"}, Subtypes: []interaction.Subtype{"Fax"},
		},
		Retry:   hook.Retry{Attempts: -1, Backoff: math.NaN(), Jitter: math.NaN()},
		Breaker: hook.BreakerLimits{Failures: -1, Share: math.NaN(), Minimum: -1}, Disable: hook.Disable{After: 1},
		Success: "3xx", RateLimit: -1, Batch: hook.Batch{Linger: -1},
		Signatures: []hook.Signature{"md5"}, Metadata: []hook.Metadata{"mood"},
		Credentials: hook.Credentials{Headers: map[string]string{"Host": "other.example", "X-Ok": "fine", "X-Wrong": "\n"}},
	}
	want := []string{
		"url", "description", "events[0]", "mediaTypes[0]", "subtypes[0]", "requestTimeout",
		"retry.timeout", "retry.attempts", "retry.backoff", "retry.maxTimeout", "retry.jitter",
		"success", "circuitBreaker.failures", "circuitBreaker.share", "circuitBreaker.minimum", "disable.after", "concurrency", "rateLimit", "batch.maxEvents", "batch.linger", "signatures[0]", "signatures", "metadata[0]",
		"headers.Host", "headers.X-Wrong",
	}
	checkFields(t, s.Validate(""), want...)
	for i, f := range want {
		want[i] = "body." + f
	}
	checkFields(t, s.Validate("body."), want...)
}

func TestEmptySettingsNameWhatIsMissing(t *testing.T) {
	checkFields(t, new(hook.Settings).Validate(""),
		"url", "requestTimeout", "retry.timeout", "retry.backoff", "retry.maxTimeout", "success", "concurrency", "batch.maxEvents", "signatures")
}

// An error about settings says what would be right, in the units of the input.
func TestSettingsMessages(t *testing.T) {
	s := validSettings()
	s.RequestTimeout, s.Retry.Backoff, s.Concurrency, s.Success = hook.Duration(90*time.Second), math.NaN(), 0, "any"
	want := []hook.FieldError{
		{Field: "requestTimeout", Message: "must be from 1s to 1m", Value: "1m30s"},
		{Field: "retry.backoff", Message: "must be from 1 to 10", Value: "NaN"},
		{Field: "success", Message: `must be "200" or "2xx"`, Value: "any"},
		{Field: "concurrency", Message: "must be from 1 to 1024", Value: "0"},
	}
	if diff := cmp.Diff(want, fieldErrors(t, s.Validate(""))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestURL(t *testing.T) {
	long := func(n int) string {
		const start = "https://receiver.example/"
		return start + strings.Repeat("p", n-len(start))
	}
	const relative, scheme = "is not an absolute URL", "must begin with https://"
	for name, test := range map[string]struct{ url, problem string }{
		"https":                    {"https://receiver.example/interactions", ""},
		"http":                     {"http://receiver.example/", ""}, // whether it may be reached is decided when it is dialled
		"upper case":               {"HTTPS://Receiver.Example", ""},
		"no path":                  {"https://receiver.example", ""},
		"a query":                  {"https://receiver.example/?tenant=1", ""},
		"the first port":           {"https://receiver.example:1/", ""},
		"the last port":            {"https://receiver.example:65535/", ""},
		"no port after a colon":    {"https://receiver.example:/", ""},
		"IPv4":                     {"http://127.0.0.1:8080/hook", ""},
		"IPv6":                     {"https://[2001:db8::1]:8443/hook", ""},
		"just inside":              {long(hook.URLBytesMax - 1), ""},
		"at the bound":             {long(hook.URLBytesMax), ""},
		"too long":                 {long(hook.URLBytesMax + 1), "is 2049 bytes long; at most 2048 are allowed"},
		"empty":                    {"", "must not be empty"},
		"a host alone":             {"receiver.example", relative},
		"a path alone":             {"/interactions", relative},
		"no scheme":                {"//receiver.example/", scheme},
		"no host":                  {"https:///interactions", relative},
		"a port without a host":    {"https://:443/", relative},
		"no slashes":               {"https:receiver.example", relative},
		"a space before":           {" https://receiver.example", relative},
		"a space in the host":      {"https://receiver example/", relative},
		"a backslash in the host":  {`https://receiver.example\evil/`, relative},
		"a broken escape":          {"https://receiver.example/%zz", relative},
		"a broken address":         {"https://[2001:db8::1/", relative},
		"a port that is a word":    {"https://receiver.example:https/", relative},
		"another scheme":           {"ftp://receiver.example/", scheme},
		"a script":                 {"javascript://receiver.example/%0aalert(1)", scheme},
		"a file":                   {"file:///etc/passwd", relative},
		"a user":                   {"https://me@receiver.example/", "must not contain a user name"},
		"an empty user":            {"https://@receiver.example/", "must not contain a user name"},
		"a password":               {"https://me:horse@receiver.example/", "must not contain a user name"},
		"a fragment":               {"https://receiver.example/#top", "must not contain a fragment"},
		"an empty fragment":        {"https://receiver.example/#", "must not contain a fragment"},
		"port 0":                   {"https://receiver.example:0/", "has a port"},
		"a port too high":          {"https://receiver.example:65536/", "has a port"},
		"a port beyond an integer": {"https://receiver.example:99999999999999999999/", "has a port"},
		"a line feed":              {"https://receiver.example/\nHost: x", "holds a control character"},
		"NUL":                      {"https://receiver.example/\x00", "holds a control character"},
		"broken UTF-8":             {"https://receiver.example/\xff", "is not valid UTF-8"},
		"a secret in a long one":   {"https://receiver.example/?token=horse&" + long(3_000), "at most 2048"},
		"a secret in a broken one": {"https://receiver.example/?token=horse\n", "control character"},
		"a secret and a fragment":  {"https://receiver.example/?token=horse#", "fragment"},
		"a secret and a port":      {"https://receiver.example:0/?token=horse", "port"},
	} {
		t.Run(name, func(t *testing.T) {
			s := validSettings()
			s.URL = test.url
			got := fieldErrors(t, s.Validate(""))
			if test.problem == "" {
				if len(got) > 0 {
					t.Fatalf("got %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Field != "url" || !strings.Contains(got[0].Message, test.problem) {
				t.Fatalf("got %+v, want one that contains %q", got, test.problem)
			}
			if got[0].Value != "" || strings.Contains(got[0].Message, "horse") {
				t.Errorf("the error repeats the URL: %+v", got[0])
			}
		})
	}
}

func TestSettingsLists(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*hook.Settings)
		want   []string
	}{
		"none":             {func(s *hook.Settings) { s.Events, s.MediaTypes, s.Subtypes, s.Metadata = nil, nil, nil, nil }, nil},
		"one":              {func(s *hook.Settings) { s.Events = []interaction.Event{"FINISHED"} }, nil},
		"all":              {func(s *hook.Settings) { s.Subtypes = interaction.Subtypes() }, nil},
		"unknown":          {func(s *hook.Settings) { s.Subtypes = []interaction.Subtype{"SMS", "sms"} }, []string{"subtypes[1]"}},
		"empty":            {func(s *hook.Settings) { s.MediaTypes = []interaction.MediaType{""} }, []string{"mediaTypes[0]"}},
		"twice":            {func(s *hook.Settings) { s.Events = []interaction.Event{"STARTED", "STARTED"} }, []string{"events[1]"}},
		"too many":         {func(s *hook.Settings) { s.Events = []interaction.Event{"STARTED", "FINISHED", "STARTED"} }, []string{"events"}},
		"far too many":     {func(s *hook.Settings) { s.Subtypes = make([]interaction.Subtype, 100_000) }, []string{"subtypes"}},
		"sha1 only":        {func(s *hook.Settings) { s.Signatures = []hook.Signature{"sha1"} }, nil},
		"sha1 last":        {func(s *hook.Settings) { s.Signatures = []hook.Signature{"standard", "sha256", "sha1"} }, nil},
		"no signature":     {func(s *hook.Settings) { s.Signatures = nil }, []string{"signatures"}},
		"no sha1":          {func(s *hook.Settings) { s.Signatures = []hook.Signature{"sha256", "standard"} }, []string{"signatures"}},
		"unknown metadata": {func(s *hook.Settings) { s.Metadata = []hook.Metadata{"attempt", "User-Agent"} }, []string{"metadata[1]"}},
		"description":      {func(s *hook.Settings) { s.Description = strings.Repeat("d", hook.DescriptionBytesMax) }, nil},
		"a long one":       {func(s *hook.Settings) { s.Description = strings.Repeat("d", hook.DescriptionBytesMax+1) }, []string{"description"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := validSettings()
			test.change(&s)
			checkFields(t, s.Validate(""), test.want...)
		})
	}
}

// What Hookswitch sends itself, written as no list in the package writes it; each must be refused in any case.
func TestOurHeadersCannotBeOverridden(t *testing.T) {
	for _, name := range []string{
		interaction.TraceHeader, interaction.SpanHeader, interaction.SampledHeader, interaction.ContactCenterHeader,
		interaction.AttemptHeader, interaction.DeliveryHeader, interaction.TestHeader,
		"X-B3-ParentSpanId", "X-B3-Flags", "b3",
		"X-Hub-Signature", "X-Hub-Signature-256", "webhook-id", "webhook-timestamp", "webhook-signature",
		"Hookswitch-Something-New", "User-Agent", "Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding",
		"Host", "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "TE", "Trailer", "Upgrade", "Expect", "Proxy",
	} {
		for _, spelling := range []string{name, strings.ToLower(name), strings.ToUpper(name), strings.ReplaceAll(name, "-", "_")} {
			s := validSettings()
			s.Headers = map[string]string{spelling: "x"}
			checkFields(t, s.Validate(""), "headers."+spelling)
		}
	}
}

func TestHeaders(t *testing.T) {
	value := func(v string) map[string]string { return map[string]string{"X-Name": v} }
	many := func(n int) map[string]string {
		headers := make(map[string]string, n)
		for i := range n {
			headers[fmt.Sprintf("X-%03d", i)] = "v"
		}
		return headers
	}
	for name, test := range map[string]struct {
		headers map[string]string
		want    []string
	}{
		"none":                    {nil, nil},
		"usual":                   {map[string]string{"Authorization": "Bearer horse", "X-Api-Key": "k"}, nil},
		"every token character":   {map[string]string{"aZ09!#$%&'*+-.^_`|~": "v"}, nil},
		"near ours":               {map[string]string{"X-Hub": "v", "X-Ccid-2": "v", "Hookswitch": "v", "X-B3": "v", "Webhook": "v"}, nil},
		"just inside":             {many(hook.HeadersMax - 1), nil},
		"at the bound":            {many(hook.HeadersMax), nil},
		"too many":                {many(hook.HeadersMax + 1), []string{"headers"}},
		"no name":                 {map[string]string{"": "v"}, []string{"headers."}},
		"a space":                 {map[string]string{"X Name": "v"}, []string{"headers.X Name"}},
		"a colon":                 {map[string]string{"X-Name:": "v"}, []string{"headers.X-Name:"}},
		"a pseudo-header":         {map[string]string{":authority": "v"}, []string{"headers.:authority"}},
		"a line feed":             {map[string]string{"X-Name\nHost": "v"}, []string{"headers.X-Name\nHost"}},
		"a letter of German":      {map[string]string{"X-Größe": "v"}, []string{"headers.X-Größe"}},
		"name at the bound":       {map[string]string{strings.Repeat("x", hook.HeaderNameBytesMax): "v"}, nil},
		"name too long":           {map[string]string{strings.Repeat("x", hook.HeaderNameBytesMax+1): "v"}, []string{"headers." + strings.Repeat("x", 64) + "…"}},
		"twice, in two cases":     {map[string]string{"X-Name": "v", "x-name": "w"}, []string{"headers.x-name"}},
		"value empty":             {value(""), nil},
		"value at the bound":      {value(strings.Repeat("v", hook.HeaderValueBytesMax)), nil},
		"value too long":          {value(strings.Repeat("v", hook.HeaderValueBytesMax+1)), []string{"headers.X-Name"}},
		"value with space inside": {value("a b\tc"), nil},
		"value with space before": {value(" a"), []string{"headers.X-Name"}},
		"value with tab after":    {value("a\t"), []string{"headers.X-Name"}},
		"value with line feed":    {value("a\r\nHost: x"), []string{"headers.X-Name"}},
		"value with NUL":          {value("a\x00"), []string{"headers.X-Name"}},
		"value with delete":       {value("a\x7fb"), []string{"headers.X-Name"}},
		"value with an accent":    {value("é"), []string{"headers.X-Name"}},
		"value not UTF-8":         {value("a\xffb"), []string{"headers.X-Name"}},
		"all wrong":               {map[string]string{"Host": "v", "X Name": "v", "X-Value": "\n"}, []string{"headers.Host", "headers.X Name", "headers.X-Value"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := validSettings()
			s.Headers = test.headers
			checkFields(t, s.Validate(""), test.want...)
		})
	}
}

// A header value may hold a credential, so that no error repeats one, whatever is wrong with it.
func TestHeaderValuesAreNotRepeated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"Authorization", "Host", "X Name", ""}).Draw(t, "name")
		secret := rapid.SampledFrom([]string{"horse\n", "horse\xff", strings.Repeat("horse", 1_000)}).Draw(t, "value")
		s := validSettings()
		s.Headers = map[string]string{name: secret}
		err := s.Validate("")
		if len(wrongFields(t, err)) != 1 || strings.Contains(fmt.Sprintf("%v %+v", err, fieldErrors(t, err)), "horse") {
			t.Fatalf("got %+v", err)
		}
	})
}
