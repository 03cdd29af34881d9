package cli

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/receiver"
	"github.com/hookswitch/hookswitch/signature"
)

const startedBody = `{"operationId":"f6c49d91-926b-4473-b2f3-8d8fd295c968","data":{"entities":[{"event":"STARTED","entity":{` +
	`"id":"8e09e19f-b8ba-4db0-b6e7-dfc8a7776176","mediaType":"chat","interactionSubtype":"InboundNew","selfUri":` +
	`"https://hookswitch.example/nexus/v3/chat/sessions/49a0ed5c-77b8-4091-a0c2-1d904ff709b0/8e09e19f-b8ba-4db0-b6e7-dfc8a7776176"}}]}}`

// A sender that went away never saw the answer: it will deliver again, and that is then no duplicate.
func TestListenAcknowledgesNothingToASenderThatIsGone(t *testing.T) {
	a, out := quietApp(), &bytes.Buffer{}
	a.Stdout = out
	r := &listenReceiver{app: a, options: listenOptions{status: http.StatusOK}, enough: func() {}, seen: newMemory(10)}
	serve := func(ctx context.Context) (answered int, aborted bool) {
		w := httptest.NewRecorder()
		defer func() {
			failure := recover()
			if err, ok := failure.(error); failure != nil && (!ok || !errors.Is(err, http.ErrAbortHandler)) {
				panic(failure)
			}
			aborted = failure != nil
		}()
		r.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(startedBody)))
		return w.Code, false
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, aborted := serve(gone); !aborted || !strings.Contains(out.String(), "-> not answered\n    the sender went away") {
		t.Errorf("aborted is %v: %s", aborted, out)
	}
	if code, _ := serve(t.Context()); code != http.StatusOK || strings.Contains(out.String(), "duplicate") {
		t.Errorf("got %d: %s", code, out)
	}
	want := "2 requests: 1 events acknowledged, 0 duplicates, 0 out of order; 0 requests refused (0 of them because of their signature), " +
		"0 not acknowledged on purpose, 1 whose sender went away before the answer\n"
	if got := r.summary(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The latency of the demo is the server's: a FINISHED that may have waited for its refused STARTED is no sample of it.
func TestDemoSamplesNoEventThatWaitedForARefusal(t *testing.T) {
	l := newLedger(quietApp(), demoOptions{quiet: true})
	event := func(id string, kind interaction.Event) interaction.EntityEvent {
		return interaction.EntityEvent{Event: kind, Entity: interaction.Entity{ID: id}}
	}
	deliver := func(e interaction.EntityEvent) error {
		if _, booked := l.open[keyOf(e)]; !booked {
			l.expect(keyOf(e))
		}
		return l.handle(t.Context(), e, receiver.Delivery{})
	}
	for _, id := range []string{"a", "b", "c"} { // six events, of which none is refused
		for _, kind := range []interaction.Event{interaction.EventStarted, interaction.EventFinished} {
			if err := deliver(event(id, kind)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := deliver(event("d", interaction.EventStarted)); err == nil {
		t.Fatal("the seventh event was not refused")
	}
	for _, kind := range []interaction.Event{interaction.EventStarted, interaction.EventFinished} {
		if err := deliver(event("d", kind)); err != nil {
			t.Fatal(err)
		}
	}
	if l.samples != 6 || l.total.Retried != 1 {
		t.Errorf("%d samples, %d retried", l.samples, l.total.Retried)
	}
}

// A sender of garbage gets a second of explanations: whoever sends a changed body then is refused all the same, and told less.
func TestListenExplainsWithinBounds(t *testing.T) {
	const secret = "the-secret-of-this-test"
	signed := signature.NewSigner([]byte(secret)).Hub256([]byte(startedBody))
	serve := func(r *listenReceiver) (status int, answer string) {
		w := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(startedBody+"\n"))
		req.Header.Set(signature.Hub256Header, signed)
		r.ServeHTTP(w, req)
		return w.Code, w.Body.String()
	}
	r := &listenReceiver{app: quietApp(), options: listenOptions{status: http.StatusOK}, enough: func() {}, seen: newMemory(10), verifier: signature.NewVerifier([]byte(secret))}
	if status, answer := serve(r); status != http.StatusUnauthorized || !strings.Contains(answer, string(signature.BodyChanged)) {
		t.Errorf("with patience: %d %s", status, answer)
	}
	r.patience.Explain(func() { // somebody else is explained to, meanwhile
		if status, answer := serve(r); status != http.StatusUnauthorized || !strings.Contains(answer, string(signature.WrongSecret)) {
			t.Errorf("without patience: %d %s", status, answer)
		}
	})
}
