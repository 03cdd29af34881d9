package trace_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/trace"
	"github.com/hookswitch/hookswitch/internal/trace/tracetest"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var began = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func newTracer(t *testing.T, endpoint string, sample float64, log *slog.Logger) *trace.Tracer {
	t.Helper()
	at, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := trace.New(t.Context(), trace.Options{Endpoint: at, Sample: sample, Version: "1.2.3", Node: "here", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func event(n byte) *hook.Event {
	return &hook.Event{
		Serial: hook.Serial(n), CenterID: "acme", Kind: interaction.EventStarted, Media: interaction.MediaChat, OccurredAt: began,
		OperationID: hook.OperationID{UUID: hook.V4([16]byte{n, 1, 2, 3, 4, 5, 6, 7, n})},
	}
}

func outcome(e *hook.Event, number, status int, f hook.Failure) hook.Outcome {
	return hook.Outcome{Delivery: &hook.Delivery{Event: e, Webhook: 1}, Attempt: hook.Attempt{
		Number: number, StartedAt: began.Add(time.Second), Duration: 250 * time.Millisecond, Status: status, Failure: f, Error: "HTTP 500",
	}}
}

func webhook() *hook.Webhook {
	return &hook.Webhook{Number: 1, Settings: hook.Settings{URL: "https://user:password@receiver.example/secret?key=1"}}
}

// Guarantees 1 and 2: the acceptance and every attempt are one tree, whichever tracer makes them, in the trace that receivers are told.
func TestOneTraceForAnEvent(t *testing.T) {
	carried := hook.Trace{ID: [16]byte{9, 9}, Span: [8]byte{7, 7}, Sampled: true}
	for name, given := range map[string]hook.Trace{"of its own": {}, "that came with the request": carried} {
		t.Run(name, func(t *testing.T) {
			s, e := tracetest.New(t), event(1)
			e.Trace = given
			first, second := newTracer(t, s.URL, 1, nil), newTracer(t, s.URL, 1, nil)
			first.Accepted(e)
			second.Posted(webhook(), e.OperationID, [8]byte{1}, []hook.Outcome{outcome(e, 1, 500, hook.FailureStatus)})
			first.Posted(webhook(), e.OperationID, [8]byte{2}, []hook.Outcome{outcome(e, 2, 200, hook.FailureNone)})
			for _, tr := range []*trace.Tracer{first, second} {
				if err := tr.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			id, accepted := e.TraceID(), e.OperationID.SpanID()
			byID := map[string]string{}
			for _, sp := range s.Spans() {
				if hex.EncodeToString(sp.GetTraceId()) != hex.EncodeToString(id[:]) {
					t.Errorf("%s is in the trace %x", sp.GetName(), sp.GetTraceId())
				}
				byID[hex.EncodeToString(sp.GetSpanId())] = sp.GetName() + " under " + hex.EncodeToString(sp.GetParentSpanId()) + " " + sp.GetStatus().GetCode().String()
			}
			parent := ""
			if !given.IsZero() {
				parent = hex.EncodeToString(given.Span[:])
			}
			own := hex.EncodeToString(accepted[:])
			want := map[string]string{
				own:                "accept STARTED under " + parent + " STATUS_CODE_UNSET",
				"0100000000000000": "deliver STARTED under " + own + " STATUS_CODE_ERROR",
				"0200000000000000": "deliver STARTED under " + own + " STATUS_CODE_UNSET",
			}
			if diff := cmp.Diff(want, byID); diff != "" {
				t.Errorf("spans (-want +got):\n%s", diff)
			}
		})
	}
}

// A span says what an operator looks for, and nothing that may be a credential.
func TestWhatASpanSays(t *testing.T) {
	s, e := tracetest.New(t), event(1)
	tr := newTracer(t, s.URL, 1, nil)
	tr.Posted(webhook(), e.OperationID, [8]byte{1}, []hook.Outcome{outcome(e, 3, 500, hook.FailureStatus)})
	if err := tr.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	sp := s.Spans()[0]
	want := map[string]any{
		"hookswitch.contact_center.id": "acme", "hookswitch.operation.id": e.OperationID.String(), "hookswitch.media_type": "chat",
		"hookswitch.interaction.id": e.InteractionID.String(), "hookswitch.webhook.id": hook.WebhookID{}.String(),
		"hookswitch.delivery.id": hook.NewDeliveryID(e.Serial, 1).String(), "hookswitch.attempt": 3,
		"http.request.method": "POST", "http.response.status_code": 500, "server.address": "receiver.example", "error.type": "status",
	}
	if diff := cmp.Diff(want, attributes(sp)); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if from, to := int64(sp.GetStartTimeUnixNano()), int64(sp.GetEndTimeUnixNano()); from != began.Add(time.Second).UnixNano() || to-from != int64(250*time.Millisecond) {
		t.Errorf("it is from %d to %d", from, to)
	}
	if strings.Contains(sp.String(), "password") || strings.Contains(sp.String(), "secret") {
		t.Errorf("the span holds a credential: %v", sp)
	}
	if s.Resource("service.name") != "hookswitch" || s.Resource("service.version") != "1.2.3" || s.Resource("service.instance.id") != "here" {
		t.Error("the resource says something else")
	}
}

// Guarantee 2: a POST of several events is in each of their traces, and links them.
func TestPostOfSeveralEvents(t *testing.T) {
	s, a, b := tracetest.New(t), event(1), event(2)
	tr := newTracer(t, s.URL, 1, nil)
	whole := hook.OperationID{UUID: hook.V4([16]byte{3})}
	tr.Posted(webhook(), whole, [8]byte{5}, []hook.Outcome{outcome(a, 1, 200, 0), outcome(b, 1, 200, 0)})
	if err := tr.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, sp := range s.Spans() {
		for _, l := range sp.GetLinks() {
			got[hex.EncodeToString(sp.GetTraceId())[:2]+" to "+hex.EncodeToString(l.GetTraceId())[:2]]++
		}
	}
	if diff := cmp.Diff(map[string]int{"03 to 01": 1, "03 to 02": 1, "01 to 03": 1, "02 to 03": 1}, got); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}

// Guarantee 3: who made the trace decides; else its id does, the same on all nodes.
func TestSampling(t *testing.T) {
	s := tracetest.New(t)
	half, other, none := newTracer(t, s.URL, 0.5, nil), newTracer(t, s.URL, 0.5, nil), newTracer(t, s.URL, 0, nil)
	kept, random := 0, rand.NewChaCha8([32]byte{})
	for n := range byte(200) {
		e := event(n)
		random.Read(e.OperationID.UUID[:]) //nolint:errcheck // never fails: see math/rand/v2
		e.OperationID.UUID = hook.V4(e.OperationID.UUID)
		if half.Sampled(e) != other.Sampled(e) {
			t.Error("two nodes disagree")
		}
		if half.Sampled(e) {
			kept++
		}
		if none.Sampled(e) {
			t.Error("a share of nothing has something in it")
		}
		e.Trace = hook.Trace{ID: [16]byte{1}, Span: [8]byte{1}, Sampled: n%2 == 0}
		if none.Sampled(e) != e.Trace.Sampled || half.Sampled(e) != e.Trace.Sampled {
			t.Error("the sender's decision does not count")
		}
	}
	if kept < 80 || kept > 120 {
		t.Errorf("%d of 200 are sampled", kept)
	}
	e := event(1)
	none.Accepted(e)
	none.Posted(webhook(), e.OperationID, [8]byte{1}, []hook.Outcome{outcome(e, 1, 200, 0)})
	none.Posted(webhook(), e.OperationID, [8]byte{1}, []hook.Outcome{outcome(e, 1, 200, 0), outcome(event(2), 1, 200, 0)})
	for _, tr := range []*trace.Tracer{half, other, none} {
		if err := tr.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.Spans()) != 0 {
		t.Errorf("%d spans were sent of what is not sampled", len(s.Spans()))
	}
}

// Guarantee 4: a collector that hangs or refuses delays nobody, and what it does not take is said.
func TestCollectorInTrouble(t *testing.T) {
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer awaitEnd(t) // of the exporter, which was told not to wait for what is left
	defer hanging.Close()
	defer close(release)
	tr := newTracer(t, hanging.URL, 1, nil)
	for n := range 50_000 { // more than may wait; the test ends, so none of them has waited for the collector
		tr.Accepted(event(byte(n)))
	}
	ended, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := tr.Close(ended); err == nil {
		t.Error("the tracer says that everything was sent")
	}

	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer refusing.Close()
	var log bytes.Buffer
	tr = newTracer(t, refusing.URL, 1, slog.New(slog.NewTextHandler(&log, nil)))
	tr.Accepted(event(1))
	if err := tr.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "did not take spans") || !strings.Contains(log.String(), "count=1") {
		t.Errorf("the log says %q", log.String())
	}
}

// awaitEnd waits until nothing runs any more that the test has begun.
func awaitEnd(t *testing.T) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); goleak.Find() != nil; {
		if time.Now().After(limit) {
			t.Fatal("the exporter does not end")
		}
	}
}

// Every form of B3, and traceparent where there is none; what cannot be read is no trace.
func TestFromHeader(t *testing.T) {
	const id, span = "80f198ee56343ba864fe8b2a57d3eff7", "e457b5a2e4d86bd1"
	whole := func(sampled bool) hook.Trace {
		tr := hook.Trace{Sampled: sampled}
		hexBytes(t, tr.ID[:], id)
		hexBytes(t, tr.Span[:], span)
		return tr
	}
	short := whole(true)
	copy(short.ID[:8], make([]byte, 8))
	tests := map[string]struct {
		header map[string]string
		want   hook.Trace
	}{
		"nothing":              {nil, hook.Trace{}},
		"several headers":      {map[string]string{"X-B3-TraceId": id, "X-B3-SpanId": span, "X-B3-Sampled": "1"}, whole(true)},
		"not sampled":          {map[string]string{"X-B3-TraceId": id, "X-B3-SpanId": span, "X-B3-Sampled": "0"}, whole(false)},
		"undecided":            {map[string]string{"X-B3-TraceId": id, "X-B3-SpanId": span}, whole(true)},
		"debug":                {map[string]string{"X-B3-TraceId": id, "X-B3-SpanId": span, "X-B3-Flags": "1"}, whole(true)},
		"an id of 64 bits":     {map[string]string{"X-B3-TraceId": id[16:], "X-B3-SpanId": span, "X-B3-Sampled": "1"}, short},
		"a single header":      {map[string]string{"b3": id + "-" + span + "-1"}, whole(true)},
		"single, not sampled":  {map[string]string{"b3": id + "-" + span + "-0"}, whole(false)},
		"single, undecided":    {map[string]string{"b3": id + "-" + span}, whole(true)},
		"single, no id":        {map[string]string{"b3": "0"}, hook.Trace{}},
		"traceparent":          {map[string]string{"traceparent": "00-" + id + "-" + span + "-01"}, whole(true)},
		"traceparent, not":     {map[string]string{"traceparent": "00-" + id + "-" + span + "-00"}, whole(false)},
		"both: B3 counts":      {map[string]string{"b3": id + "-" + span + "-0", "traceparent": "00-" + strings.Repeat("1", 32) + "-" + span + "-01"}, whole(false)},
		"a bad B3 beside it":   {map[string]string{"b3": "x", "traceparent": "00-" + id + "-" + span + "-01"}, whole(true)},
		"no hexadecimal":       {map[string]string{"X-B3-TraceId": strings.Repeat("z", 32), "X-B3-SpanId": span}, hook.Trace{}},
		"zeros":                {map[string]string{"X-B3-TraceId": strings.Repeat("0", 32), "X-B3-SpanId": span}, hook.Trace{}},
		"no span":              {map[string]string{"X-B3-TraceId": id}, hook.Trace{}},
		"much too long":        {map[string]string{"b3": strings.Repeat("a", 10_000)}, hook.Trace{}},
		"traceparent, version": {map[string]string{"traceparent": "ff-" + id + "-" + span + "-01"}, hook.Trace{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			for k, v := range tt.header {
				h.Set(k, v)
			}
			got := trace.FromHeader(h)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("trace (-want +got):\n%s", diff)
			}
			if kept := hook.ParseTrace(got.Append(nil)); kept != got {
				t.Errorf("what is stored reads as %v", kept)
			}
		})
	}
}

func hexBytes(t *testing.T, to []byte, text string) {
	t.Helper()
	if _, err := hex.Decode(to, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func attributes(s *otlp.Span) map[string]any {
	m := map[string]any{}
	for _, a := range s.GetAttributes() {
		if n := a.GetValue().GetIntValue(); n != 0 {
			m[a.GetKey()] = int(n)
		} else {
			m[a.GetKey()] = a.GetValue().GetStringValue()
		}
	}
	return m
}
