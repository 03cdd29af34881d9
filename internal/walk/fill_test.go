package walk_test

import (
	"fmt"
	"net/http"
	"strings"
)

// hostile is what somebody may write who wants to break a page: markup, a text that runs to the left, what templates would take for their own.
const hostile = `"><b data-hostile>'</b><script>throw new Error("hostile")</script>` + "שלום" + `{{.}}&amp;${1}`

// unseen is what turns or hides a text. The name of a key cannot have it.
const unseen = "\u202eoverridden\u202c\u2066\u200b\u00ad"

// writer makes the texts of a store: given what one would write there, and how many bytes fit.
type writer func(plain string, most int) string

// plainly writes what one would write.
func plainly(plain string, _ int) string { return plain }

// hostilely writes what is hostile, is as long as can be, and has no space to break a line at.
func hostilely(_ string, most int) string {
	return hostile + unseen + strings.Repeat("W", most-len(hostile+unseen))
}

// fill makes something of everything: webhooks that work and one that does not, interactions in every state, a key, a replay, a notice,
// and a second contact centre.
func (s *server) fill(write writer) {
	s.t.Helper()
	s.call(http.MethodPost, "/v1/contact-centers", map[string]any{"id": "north", "name": write("North", 256)}, nil)
	s.call(http.MethodPost, "/v1/keys", map[string]any{
		"name": strings.ReplaceAll(write("wall board", 128), unseen, ""), "permissions": []string{"interactions:read"}, "expiresIn": "24h",
	}, nil)
	answer := write(`{"error":"the invoice service is not available"}`, 600)
	works, fails := s.receive(http.StatusOK, answer), s.receive(http.StatusServiceUnavailable, answer)
	s.subscribe(works+"/alerts", map[string]any{"purpose": "notices"})
	good := s.subscribe(works+"/crm", map[string]any{"description": write("Screen pops of the CRM", 1024)})
	bad := s.subscribe(fails+"/billing", map[string]any{"description": write("Billing", 1024), "headers": map[string]string{"X-Region": "eu-1"}})
	for n, d := range []struct{ media, queue, subject, then string }{
		{"chat", "Support", "Where is my parcel?", ""},
		{"chat", "Support", "The invoice is wrong", ""},
		{"email", "Sales", "A quote for 40 seats", ""},
		{"chat", "Sales", "Does it come in blue?", "accept"},
		{"email", "Support", "Thank you", "accept"},
		{"chat", "Support", "My password", "stop"},
		{"email", "Sales", "The contract", "stop"},
	} {
		var made struct{ ID string }
		s.call(http.MethodPost, "/v1/interactions", map[string]any{
			"mediaType": d.media, "subtype": "InboundNew", "queue": write(d.queue, 256), "subject": write(d.subject, 1024),
			"contact": map[string]any{"name": write("Zoë Ødegård", 200)}, "userData": map[string]any{write("customer", 128): write(fmt.Sprintf("C-%04d", 1000+n), 1000)},
		}, &made)
		switch d.then {
		case "accept":
			s.call(http.MethodPost, "/v1/interactions/"+made.ID+"/accept", map[string]any{"agent": write("ana.lopes", 256)}, nil)
		case "stop":
			s.call(http.MethodPost, "/v1/interactions/"+made.ID+"/stop", map[string]any{"by": "workflow", "reason": write("answered by the bot", 256)}, nil)
		}
	}
	s.await("what there is to deliver is resolved", func() bool {
		return s.deliveries(good, "pending") == 0 && s.deliveries(bad, "pending") == 0 && s.deliveries(bad, "exhausted") > 0
	})
	s.call(http.MethodPost, "/v1/replays", map[string]any{"webhookId": bad, "from": "2026-01-01T00:00:00Z"}, nil)
}
