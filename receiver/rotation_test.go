package receiver_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/receiver"
	"github.com/hookswitch/hookswitch/signature"
)

// A receiver with two secrets takes what either of them signed, tells which one it was, and refuses every other.
func TestReceiverOfARotation(t *testing.T) {
	secrets := []string{"the old secret", "the next secret"}
	place := -1
	handler, err := receiver.New(receiver.Config{
		Secrets: [][]byte{[]byte(secrets[0]), []byte(secrets[1])},
		Handle: func(_ context.Context, _ interaction.EntityEvent, d receiver.Delivery) error {
			place = d.Secret
			return nil
		},
		OnReject: func(*http.Request, error) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, secret := range append(secrets, "another secret") {
		place = -1
		want, status := i, http.StatusOK
		if i == len(secrets) {
			want, status = -1, http.StatusUnauthorized
		}
		body := started(secret) // an event of its own
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set(signature.HubHeader, signature.SHA1([]byte(secret), body))
		r.Header.Set(signature.Hub256Header, signature.SHA256([]byte(secret), body))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != status || place != want {
			t.Errorf("signed with %q: %d, secret %d; want %d, %d", secret, w.Code, place, status, want)
		}
	}
}
