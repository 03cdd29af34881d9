package receiver_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/receiver"
	"github.com/hookswitch/hookswitch/signature"
)

// FuzzHandler: no request makes the handler panic; it answers 200, and calls the function, only for a valid signature,
// which the test computes for itself; and a signed body is never answered 401.
func FuzzHandler(f *testing.F) {
	valid := started("i-1", "i-2")
	f.Add(valid, signature.SHA1([]byte(secret), valid), "", "1")
	f.Add(valid, "", signature.SHA256([]byte(secret), valid), "-1")
	f.Add(valid, signature.SHA1([]byte(secret), valid), "sha256=00", "x")
	f.Add([]byte(`{"operationId":"o","data":{"entities":[null]}}`), "sha1=AdwQ0Mg+cu0kYhnN2RZpZn/iylk=", "", "")
	f.Fuzz(func(t *testing.T, body []byte, hub, hub256, attempt string) {
		calls := 0
		handler, err := receiver.New(receiver.Config{
			Secrets:      [][]byte{[]byte(secret)},
			BodyBytesMax: 4096,
			Seen:         receiver.NewMemory(1000),
			OnReject:     func(*http.Request, error) {},
			Handle: func(context.Context, interaction.EntityEvent, receiver.Delivery) error {
				calls++
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		send := func(header http.Header) int {
			request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
			request.Header = header
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, request)
			return recorder.Code
		}
		hostile := http.Header{}
		for name, value := range map[string]string{
			signature.HubHeader: hub, signature.Hub256Header: hub256, interaction.AttemptHeader: attempt,
		} {
			if value != "" {
				hostile.Set(name, value)
			}
		}
		mac1, mac256 := hmac.New(sha1.New, []byte(secret)), hmac.New(sha256.New, []byte(secret))
		mac1.Write(body)
		mac256.Write(body)
		right1, right256 := "sha1="+hex.EncodeToString(mac1.Sum(nil)), "sha256="+hex.EncodeToString(mac256.Sum(nil))
		is := func(value string, allowed ...string) bool {
			for _, right := range allowed {
				if strings.EqualFold(strings.TrimSpace(value), right) {
					return true
				}
			}
			return value == ""
		}
		signed := hub+hub256 != "" && is(hub, right1, right256) && is(hub256, right256)
		if status := send(hostile); !signed && (status == 200 || calls > 0) {
			t.Fatalf("answered %d, %d calls, to %q %q", status, calls, hub, hub256)
		}
		honest := http.Header{}
		honest.Set(signature.HubHeader, right1)
		honest.Set(signature.Hub256Header, right256)
		switch status := send(honest); {
		case status == 200 && calls == 0:
			t.Fatal("acknowledged without a call")
		case status != 200 && status != 400 && status != 413:
			t.Fatalf("answered %d to a signed body", status)
		}
	})
}

func BenchmarkHandler(b *testing.B) {
	handler, err := receiver.New(receiver.Config{
		Secrets: [][]byte{[]byte(secret)},
		Handle:  func(context.Context, interaction.EntityEvent, receiver.Delivery) error { return nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	body := started("8e09e19f-b8ba-4db0-b6e7-dfc8a7776176")
	header := http.Header{}
	header.Set(signature.HubHeader, signature.SHA1([]byte(secret), body))
	header.Set(signature.Hub256Header, signature.SHA256([]byte(secret), body))
	b.ReportAllocs()
	for b.Loop() {
		request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		request.Header = header
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		if recorder.Code != 200 {
			b.Fatal(recorder.Body)
		}
	}
}

func BenchmarkMemory(b *testing.B) {
	memory := receiver.NewMemory(0)
	keys := make([]receiver.Key, 3*receiver.MemoryCapacityDefault)
	for i := range keys {
		keys[i] = key(i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		k := keys[i%len(keys)]
		i++
		if state, err := memory.Begin(b.Context(), k); err != nil || state != receiver.Fresh {
			b.Fatal(state, err)
		}
		if err := memory.Done(b.Context(), k, true); err != nil {
			b.Fatal(err)
		}
	}
}
