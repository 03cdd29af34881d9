package store_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// The changes of one webhook are found in the index of subjects, however many changes there are beside them: the page of a webhook that
// somebody has disabled asks for one of them.
func TestAuditOfASubjectIsFoundByItsIndex(t *testing.T) {
	type call struct {
		text string
		args []any
	}
	var asked []call
	s := storetest.Open(t, storetest.Before(func(s *store.Store) {
		s.Watch(&store.Spy{Statement: func(text string, args []any) {
			if strings.Contains(text, "FROM audit a") {
				asked = append(asked, call{text, slices.Clone(args)})
			}
		}})
	}))
	for _, f := range []store.AuditFilter{{Subject: "x"}, {Subject: "x", Action: "webhook.disable"}, {Subject: "x", Actor: "key", From: moment()}} {
		asked = nil
		_, _, err := s.AuditLog(t.Context(), theCenter, f, store.Page{Limit: 1})
		must(t, err)
		if len(asked) != 1 {
			t.Fatalf("%+v: %d statements, want 1", f, len(asked))
		}
		plan, err := s.Plan(asked[0].text, asked[0].args...)
		must(t, err)
		if all := strings.Join(plan, "\n\t"); !strings.Contains(all, "audit_by_subject (center=? AND subject=?") || strings.Contains(all, "TEMP B-TREE") {
			t.Errorf("%s\nis not found by its index:\n\t%s", asked[0].text, all)
		}
	}
}
