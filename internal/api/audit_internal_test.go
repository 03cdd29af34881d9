package api

import (
	"errors"
	"net/http"
	"testing"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The key of a contact centre does not see the changes of the server's own.
func TestAuditOfServerIsForAdmin(t *testing.T) {
	in := &listAuditInput{request: request{&call{by: hook.Caller{Center: 1, Permissions: hook.Permissions()}, center: hook.ContactCenter{Number: 1}}}, Scope: scopeServer}
	_, err := new(Server).listAudit(t.Context(), in)
	var p *Problem
	if !errors.As(err, &p) || p.Status != http.StatusForbidden {
		t.Errorf("the answer is %v, want 403", err)
	}
}
