package console

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// Each class of failure has its own words, a likely cause and what mends it, and so has each status.
func TestEachFailureIsExplained(t *testing.T) {
	words, causes := map[string]hook.Failure{}, map[cause]hook.Failure{}
	for _, f := range hook.Failures() {
		c, said := causeOf(f, 418), failureWords(f)
		if c.Likely == "" || c.Mend == "" || said == "" || said == f.String() && len(said) < 7 {
			t.Errorf("%s: %q, %+v", f, said, c)
		}
		if other, ok := words[said]; ok {
			t.Errorf("%s and %s are both %q", f, other, said)
		}
		if other, ok := causes[c]; ok {
			t.Errorf("%s and %s have one cause", f, other)
		}
		words[said], causes[c] = f, f
	}
	unknown := causeOf(hook.Failure(200), 0)
	if _, ok := causes[unknown]; ok {
		t.Errorf("a class that nobody knows has the cause of one: %+v", unknown)
	}
	for _, f := range hook.Failures() {
		if causeOf(f, 418) == unknown {
			t.Errorf("%s is explained as a class that nobody knows", f)
		}
	}
	for status := 100; status <= 599; status++ {
		if c := causeOf(hook.FailureStatus, status); c.Likely == "" || c.Mend == "" {
			t.Errorf("the status %d has no cause", status)
		}
	}
	if c := causeOf(hook.FailureNone, 200); c != (cause{}) {
		t.Errorf("what was acknowledged has the cause %+v", c)
	}
}

func TestOutcome(t *testing.T) {
	for want, a := range map[string]hook.Attempt{
		"acknowledged, status 200 OK":         {Status: 200},
		"status 503 Service Unavailable":      {Status: 503, Failure: hook.FailureStatus},
		"status 299":                          {Status: 299, Failure: hook.FailureStatus},
		"status 302 Found":                    {Status: 302, Failure: hook.FailureRedirect},
		"timeout":                             {Failure: hook.FailureTimeout},
		"timeout after status 200 OK":         {Status: 200, Failure: hook.FailureTimeout},
		"connection broken":                   {Failure: hook.FailureBroken},
		"Failure(99)":                         {Failure: 99},
		"no access token":                     {Failure: hook.FailureToken},
		"TLS failed":                          {Failure: hook.FailureTLS},
		"status 401 Unauthorized":             {Status: 401, Failure: hook.FailureStatus},
		"connection refused":                  {Failure: hook.FailureRefused},
		"acknowledged":                        {},
		"name not found":                      {Failure: hook.FailureDNS},
		"status 413 Request Entity Too Large": {Status: 413, Failure: hook.FailureStatus},
	} {
		if got := outcome(&a); got != want {
			t.Errorf("%+v: %q, want %q", a, got, want)
		}
	}
}

// The parts of the drawing are in order, inside of it, and wide enough to be seen; together they are the whole of the attempt.
func TestSegmentsFillTheDrawing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.Map(rapid.Int64Range(0, int64(time.Minute/time.Microsecond)), func(n int64) time.Duration { return time.Duration(n) * time.Microsecond })
		a := &attemptView{Attempt: hook.Attempt{Duration: some.Draw(t, "took"), Timing: hook.Timing{
			DNS: some.Draw(t, "DNS"), Connect: some.Draw(t, "connect"), TLS: some.Draw(t, "TLS"), FirstByte: some.Draw(t, "first byte"),
		}}}
		end := 0.0
		for _, s := range a.Segments() {
			if s.At < end-segmentLeast-1 || s.At < 0 || s.At > segmentsWidth-segmentLeast || s.Width < segmentLeast {
				t.Fatalf("%+v begins before %f, or is too small", s, end)
			}
			end = s.At + s.Width
			if !strings.Contains(a.Drawing(), s.Name+" "+s.Took) {
				t.Fatalf("%q does not say %+v", a.Drawing(), s)
			}
		}
		if n := len(a.Segments()); n > 0 && (end < segmentsWidth-5*segmentLeast || end > segmentsWidth+5*segmentLeast) {
			t.Fatalf("%d parts end at %f", n, end)
		}
	})
	if list := (&attemptView{Attempt: hook.Attempt{Duration: time.Second}}).Segments(); list != nil {
		t.Errorf("without times the drawing is %v", list)
	}
}

// What a receiver answered changes neither the page around it nor the direction of the text.
func TestPrintable(t *testing.T) {
	for _, test := range []struct{ name, given, want string }{
		{"text", "a\n\tb é", "a\n\tb é"},
		{"controls", "\x00\x07\x1b[31m", "␀␇␛[31m"},
		{"carriage returns", "a\r\nb", "a\nb"},
		{"C1 controls", "a\u0085b", "a\uFFFDb"},
		{"direction", "a\u202egnp\u2066b\u200f", "a\uFFFDgnp\uFFFDb\uFFFD"},
		{"no UTF-8", "a\xff\xfeb", "a\uFFFDb"},
		{"markup is for the template", "<script>", "<script>"},
	} {
		if got := printable([]byte(test.given)); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// requests answers with some headers, one of which is concealed.
type requests struct{ err error }

func (r requests) Request(_ *hook.Webhook, _ *hook.Event, number int, _ time.Time) (http.Header, error) {
	return http.Header{"Hookswitch-Attempt": {fmt.Sprint(number)}, "X-Tenant": {concealed}}, r.err
}

// The page says in which way the request may have been another one than what it shows, and why it shows none.
func TestRequestSaysWhatIsNotKnown(t *testing.T) {
	began := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name        string
		change      func(*hook.Webhook, *hook.Event, *hook.Attempt, *requests)
		permissions []hook.Permission
		note        string
		curl        bool
	}{
		{"as it was", func(*hook.Webhook, *hook.Event, *hook.Attempt, *requests) {}, nil, "", true},
		{"a batch", func(_ *hook.Webhook, _ *hook.Event, a *hook.Attempt, _ *requests) { a.Events = 7 }, nil, "carried 7 events", true},
		{"changed since", func(w *hook.Webhook, _ *hook.Event, _ *hook.Attempt, _ *requests) {
			w.UpdatedAt = began.Add(time.Second)
		}, nil, "a secret was rotated since", true},
		{"retention", func(_ *hook.Webhook, e *hook.Event, _ *hook.Attempt, _ *requests) { e.Payload = nil }, nil, "removed by the contact centre's retention", false},
		{"locked", func(_ *hook.Webhook, _ *hook.Event, _ *hook.Attempt, r *requests) { r.err = hook.ErrLocked }, nil, "cannot open the webhook's secrets", false},
		{"e-mail", func(w *hook.Webhook, _ *hook.Event, _ *hook.Attempt, _ *requests) {
			w.Settings.URL = "mailto:ops@example.com"
		}, nil, "as an e-mail", false},
		{"without the permission webhooks", func(*hook.Webhook, *hook.Event, *hook.Attempt, *requests) {}, []hook.Permission{hook.PermitDeliveries, hook.PermitInteractionsReadChat}, "take the permission webhooks", true},
		{"of a media type that may not be read", func(*hook.Webhook, *hook.Event, *hook.Attempt, *requests) {}, []hook.Permission{hook.PermitDeliveries, hook.PermitInteractionsReadEmail}, "to read what they tell of", false},
		{"of a notice", func(_ *hook.Webhook, e *hook.Event, _ *hook.Attempt, _ *requests) { e.Media = "" }, []hook.Permission{hook.PermitDeliveries, hook.PermitInteractionsRead}, "to read what they tell of", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, e, a := &hook.Webhook{Settings: hook.DefaultSettings(), UpdatedAt: began}, &hook.Event{Media: interaction.MediaChat, Payload: []byte(`{"a":1}`)}, &hook.Attempt{Number: 3, StartedAt: began, Events: 1}
			w.Settings.URL = "https://receiver.example/path"
			r := requests{}
			test.change(w, e, a, &r)
			c := &call{server: &Server{options: Options{Requests: r}}, by: hook.Caller{Permissions: []hook.Permission{hook.PermitAdmin}}}
			if test.permissions != nil {
				c.by.Permissions = test.permissions
			}
			v, err := c.request(w, e, a)
			if err != nil {
				t.Fatal(err)
			}
			notes := strings.Join(v.Notes, " ")
			if !strings.Contains(notes, test.note) || test.note == "" && notes != "" {
				t.Errorf("notes %q, want %q", notes, test.note)
			}
			if got := v.Curl.Command != ""; got != test.curl {
				t.Errorf("the command is %q", v.Curl.Command)
			}
			if seen := fmt.Sprint(v); test.permissions != nil && (strings.Contains(seen, "X-Tenant") || strings.Contains(seen, "receiver.example")) {
				t.Errorf("without the permission one sees %s", seen)
			}
		})
	}
}
