package api_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// exhaust makes so many deliveries to each webhook of the contact centre that are exhausted.
func (h *harness) exhaust(many int) {
	h.tb.Helper()
	for range many {
		h.must(201, "POST", "/v1/interactions", `{"mediaType":"chat","subtype":"SMS","queue":"q"}`)
	}
	ctx := h.tb.Context()
	due, err := h.store.Due(ctx)
	if err != nil {
		h.tb.Fatal(err)
	}
	for _, d := range due {
		claimed, err := h.store.Claim(ctx, time.Now(), d.Webhook, 1_000)
		if err != nil {
			h.tb.Fatal(err)
		}
		var outcomes []hook.Outcome
		for _, d := range claimed {
			a := hook.Attempt{Number: d.Attempts + 1, StartedAt: time.Now(), Status: 503, Failure: hook.FailureStatus, Response: []byte{}}
			outcomes = append(outcomes, hook.Outcome{Delivery: d, Attempt: a})
		}
		if _, err := h.store.Record(ctx, time.Now(), outcomes); err != nil {
			h.tb.Fatal(err)
		}
	}
}

// ended waits until a replay has ended.
func (h *harness) ended(id string) map[string]any {
	h.tb.Helper()
	tick, limit := time.NewTicker(5*time.Millisecond), time.NewTimer(20*time.Second)
	defer tick.Stop()
	defer limit.Stop()
	for {
		r := h.must(200, "GET", "/v1/replays/"+id, "")
		if state := text(r, "state"); state == "finished" || state == "cancelled" {
			return r
		}
		select {
		case <-tick.C:
		case <-limit.C:
			h.tb.Fatalf("the replay does not end: %v", r)
		}
	}
}

const longRange = `"from":"2020-01-01T00:00:00Z","to":"2100-01-01T00:00:00+01:00"`

func (c *contract) replays(t *testing.T, webhook string) {
	body := `{"webhookId":"` + webhook + `",` + longRange + `,"states":["exhausted","delivered"],"events":["STARTED","FINISHED"],"mediaTypes":["chat","email"],"rate":100000`
	made := c.good(202, "POST", "/v1/replays", body+`}`)
	id := text(made, "id")
	if text(made, "state") != "running" || text(made, "progress") != "0" || text(made, "createdBy") == "" || text(made, "to") != "2099-12-31T23:00:00.000Z" {
		t.Errorf("made %v", made)
	}
	c.ended(id)
	if got := c.good(200, "GET", "/v1/replays/"+id, ``); text(got, "progress") != "1" || text(got, "finishedAt") == "<nil>" {
		t.Errorf("finished %v", got)
	}
	for _, verb := range []string{"pause", "resume", "cancel"} {
		c.bad(409, "POST", "/v1/replays/"+id+"/"+verb, ``)
		c.bad(404, "POST", "/v1/replays/"+someID+"/"+verb, ``)
		c.bad(422, "POST", "/v1/replays/nope/"+verb, ``)
	}
	c.good(200, "POST", "/v1/replays", body+`,"dryRun":true}`)

	c.exhaust(3)
	slow := c.good(202, "POST", "/v1/replays", `{"webhookId":"`+webhook+`",`+longRange+`,"rate":1}`)
	c.good(200, "POST", "/v1/replays/"+text(slow, "id")+"/pause", ``)
	c.good(200, "POST", "/v1/replays/"+text(slow, "id")+"/resume", ``)
	c.good(200, "POST", "/v1/replays/"+text(slow, "id")+"/cancel", ``)
	page := c.good(200, "GET", "/v1/replays?limit=1", ``)
	c.good(200, "GET", "/v1/replays?limit=1&cursor="+text(page, "nextCursor"), ``)
	c.bad(422, "GET", "/v1/replays?cursor=nope", ``)
	c.bad(404, "GET", "/v1/replays/"+someID, ``)
	c.bad(404, "POST", "/v1/replays", `{"webhookId":"`+someID+`",`+longRange+`}`)
	c.bad(422, "POST", "/v1/replays", `{"webhookId":"`+webhook+`",`+longRange+`,"states":["held"]}`)
}

// A small dry run is answered with its count at once; the replay then does as much, and says so.
func TestReplayOfARange(t *testing.T) {
	h := start(t)
	webhook := text(h.must(201, "POST", "/v1/webhooks", `{"url":"https://a.example"}`), "id")
	h.must(201, "POST", "/v1/webhooks", `{"url":"https://b.example"}`)
	h.exhaust(7)
	body := `{"webhookId":"` + webhook + `",` + longRange
	counted := h.must(200, "POST", "/v1/replays", body+`,"dryRun":true}`)
	if text(counted, "matched") != "7" || text(counted, "replayed") != "0" || text(counted, "state") != "finished" || text(counted, "dryRun") != "true" {
		t.Errorf("counted %v", counted)
	}
	first := h.call("POST", "/v1/replays", body+`}`, "Idempotency-Key", "k")
	if first.status != 202 {
		t.Fatalf("%d %s", first.status, first.body)
	}
	if got := h.ended(text(first.object(t), "id")); text(got, "matched") != "7" || text(got, "replayed") != "7" || text(got, "skipped") != "0" {
		t.Errorf("replayed %v", got)
	}
	if again := h.call("POST", "/v1/replays", body+`}`, "Idempotency-Key", "k"); !bytes.Equal(again.body, first.body) || again.status != 202 {
		t.Errorf("again: %d %s", again.status, again.body)
	}
	if n := len(items(h.must(200, "GET", "/v1/replays", ""), "items")); n != 2 {
		t.Errorf("%d replays, want the dry run and one", n)
	}
	if n := len(items(h.must(200, "GET", "/v1/deliveries?state=exhausted", ""), "items")); n != 7 {
		t.Errorf("%d are exhausted, want those of the other webhook", n)
	}
}

// What cannot be replayed is refused with the reason.
func TestReplayRefused(t *testing.T) {
	h := start(t)
	webhook := text(h.must(201, "POST", "/v1/webhooks", `{"url":"https://a.example"}`), "id")
	h.exhaust(30)
	for _, state := range []string{"pending", "held"} {
		r := h.call("POST", "/v1/replays", fmt.Sprintf(`{"webhookId":%q,%s,"states":["exhausted",%q]}`, webhook, longRange, state))
		if why := r.wrong(t)["body.states[1]"]; r.status != 422 || !strings.Contains(why, "still to be made") {
			t.Errorf("%s: %d %s", state, r.status, r.body)
		}
	}
	slow := `{"webhookId":"` + webhook + `",` + longRange + `,"rate":1}`
	for range hook.ReplaysUnfinishedMax {
		id := text(h.must(202, "POST", "/v1/replays", slow), "id")
		h.must(200, "POST", "/v1/replays/"+id+"/pause", "")
	}
	if r := h.call("POST", "/v1/replays", slow); r.status != 409 || !strings.Contains(string(r.body), "at most") {
		t.Errorf("one too many: %d %s", r.status, r.body)
	}
	h.must(204, "DELETE", "/v1/webhooks/"+webhook, "")
	if r := h.call("POST", "/v1/replays", slow); r.status != 409 || !strings.Contains(string(r.body), "deleted") {
		t.Errorf("of a deleted webhook: %d %s", r.status, r.body)
	}
}
