package oracle_test

import (
	"net/http"
	"testing"
)

// TestForeignVerifiersOfARotation delivers in each phase of a rotation to each verifier, once with the old secret and once with the new one:
// that of Standard Webhooks accepts either alone until the old one has ended, and those of X-Hub-Signature the one that is current.
func TestForeignVerifiersOfARotation(t *testing.T) {
	const newSecret = givenSecret + ", the next one"
	s := serve(t)
	for _, v := range verifiers() {
		t.Run(v.name, func(t *testing.T) {
			s := &server{t: t, url: s.url}
			id, _ := s.subscribe("http://127.0.0.1:9/", givenSecret)
			targets := []string{v.start(t, givenSecret), v.start(t, newSecret)}
			during := refusal // with the secret that is not current
			if v.name == standardName {
				during = http.StatusOK
			}
			for _, phase := range []struct {
				name  string
				steps []map[string]any
				want  [2]int // of the old secret, of the new one
			}{
				{"before", nil, [2]int{http.StatusOK, refusal}},
				{"next", []map[string]any{{"action": "next", "secret": newSecret}}, [2]int{http.StatusOK, during}},
				{"promoted", []map[string]any{{"action": "promote"}}, [2]int{during, http.StatusOK}},
				{"expired", []map[string]any{{"action": "expire"}}, [2]int{refusal, http.StatusOK}},
			} {
				for _, step := range phase.steps {
					s.call(http.MethodPost, "/v1/webhooks/"+id+"/secrets", step, nil)
				}
				for i, target := range targets {
					s.call(http.MethodPatch, "/v1/webhooks/"+id, map[string]any{"url": target}, nil)
					t.Run(phase.name+", "+[]string{"old", "new"}[i], func(t *testing.T) {
						s := &server{t: t, url: s.url}
						for _, d := range s.chat(id, "chat") {
							check(t, d, phase.want[i])
						}
					})
				}
			}
			s.call(http.MethodDelete, "/v1/webhooks/"+id, nil, nil)
		})
	}
}
