package delivery

import (
	"errors"
	"testing"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// A webhook whose secrets this process does not have is sent nothing: no test, and no signature with an empty secret.
func TestNothingSignedWithoutSecret(t *testing.T) {
	w := &hook.Webhook{Enabled: true, Settings: hook.DefaultSettings()}
	if _, err := newTarget(w, "1"); !errors.Is(err, hook.ErrLocked) {
		t.Errorf("got %v", err)
	}
	if w.Sends() || !w.Locked() {
		t.Error("it may be sent to")
	}
}
