package signature_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/signature"
)

const (
	hubSecret  = "It's a Secret to Everybody"
	hubBody    = "Hello, World!"
	hubSHA1    = "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59"
	hubSHA256  = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	stdSecret  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	stdID      = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	stdSeconds = 1614265330
	stdBody    = `{"test": 2432232314}`
	stdValue   = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

// TestVectors holds the vectors of the issue (those with "Secret to Everybody" are of GitHub's documentation, the
// standard one is of the Standard Webhooks libraries) and one each of RFC 2202 and RFC 4231.
func TestVectors(t *testing.T) {
	at := time.Unix(stdSeconds, 0)
	for name, test := range map[string]struct{ got, want string }{
		"sha1":                  {signature.SHA1([]byte(hubSecret), []byte(hubBody)), hubSHA1},
		"sha256":                {signature.SHA256([]byte(hubSecret), []byte(hubBody)), hubSHA256},
		"standard":              {signature.Standard([]byte(stdSecret), stdID, at, []byte(stdBody)), stdValue},
		"standard, fraction":    {signature.Standard([]byte(stdSecret), stdID, at.Add(time.Second-1), []byte(stdBody)), stdValue},
		"sha1 of RFC 2202 no 2": {signature.SHA1([]byte("Jefe"), []byte("what do ya want for nothing?")), "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
		"sha256 of RFC 4231 no 2": {
			signature.SHA256([]byte("Jefe"), []byte("what do ya want for nothing?")),
			"sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
		},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %s, want %s", name, test.got, test.want)
		}
	}
}

func TestSignerEqualsFunctions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := []byte(rapid.String().Draw(t, "secret"))
		signer := signature.NewSigner(secret)
		given := append([]byte(nil), secret...)
		for i := range 3 {
			body := []byte(rapid.String().Draw(t, "body"))
			id := rapid.String().Draw(t, "id")
			at := time.Unix(rapid.Int64Range(0, 1<<35).Draw(t, "at"), 0)
			if got, want := string(signer.AppendHub([]byte("x"), body)), "x"+signature.SHA1(given, body); got != want {
				t.Fatalf("sha1, use %d: got %s, want %s", i, got, want)
			}
			if got, want := string(signer.AppendHub256([]byte("x"), body)), "x"+signature.SHA256(given, body); got != want {
				t.Fatalf("sha256, use %d: got %s, want %s", i, got, want)
			}
			if got, want := string(signer.AppendStandard([]byte("x"), id, at, body)), "x"+signature.Standard(given, id, at, body); got != want {
				t.Fatalf("standard, use %d: got %s, want %s", i, got, want)
			}
			for j := range secret {
				secret[j] = 0 // The signer must have its own copy.
			}
		}
	})
}

func TestSignerConcurrently(t *testing.T) {
	signer := signature.NewSigner([]byte(hubSecret))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				body := []byte(strings.Repeat("x", g*31+i))
				if got, want := signer.Hub(body), signature.SHA1([]byte(hubSecret), body); got != want {
					t.Errorf("sha1: got %s, want %s", got, want)
				}
				if got, want := signer.Hub256(body), signature.SHA256([]byte(hubSecret), body); got != want {
					t.Errorf("sha256: got %s, want %s", got, want)
				}
				at := time.Unix(int64(i), 0)
				if got, want := signer.Standard("id", at, body), signature.Standard([]byte(hubSecret), "id", at, body); got != want {
					t.Errorf("standard: got %s, want %s", got, want)
				}
			}
		})
	}
	wg.Wait()
}

func TestSignerHidesItsSecret(t *testing.T) {
	signer := signature.NewSigner([]byte("do not print"))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got := fmt.Sprintf(verb, signer); got != "***" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

func TestStandardKey(t *testing.T) {
	for name, test := range map[string]struct {
		secret, want string
		fails        bool
	}{
		"raw":              {"0123456789abcdef", "0123456789abcdef", false},
		"encoded":          {"whsec_aGVsbG8=", "hello", false},
		"prefix elsewhere": {"a_whsec_aGVsbG8=", "a_whsec_aGVsbG8=", false},
		"no padding":       {"whsec_aGVsbG8", "", true},
		"no base64":        {"whsec_!", "", true},
		"nothing":          {"whsec_", "", true},
	} {
		got, err := signature.StandardKey(test.secret)
		if (err != nil) != test.fails || string(got) != test.want {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	if got := signature.StandardSecret([]byte("hello")); got != "whsec_aGVsbG8=" {
		t.Errorf("StandardSecret of raw bytes: %s", got)
	}
	if got := signature.StandardSecret([]byte(stdSecret)); got != stdSecret {
		t.Errorf("StandardSecret of its own form: %s", got)
	}
}

// TestStandardLibraryAgrees has the public Standard Webhooks library verify what this package signs, and the other way round,
// for secrets of both forms.
func TestStandardLibraryAgrees(t *testing.T) {
	now := time.Now()
	for name, secret := range map[string]string{"raw": "an app secret with spaces", "encoded": stdSecret} {
		t.Run(name, func(t *testing.T) {
			library, err := standardwebhooks.NewWebhook(signature.StandardSecret([]byte(secret)))
			if err != nil {
				t.Fatal(err)
			}
			header := http.Header{}
			header.Set(signature.IDHeader, "8e09e19f")
			header.Set(signature.TimestampHeader, strconv.FormatInt(now.Unix(), 10))
			header.Set(signature.StandardHeader, signature.Standard([]byte(secret), "8e09e19f", now, []byte(stdBody)))
			if err := library.Verify([]byte(stdBody), header); err != nil {
				t.Errorf("the library refuses ours: %v", err)
			}
			theirs, err := library.Sign("8e09e19f", now, []byte(stdBody))
			if err != nil {
				t.Fatal(err)
			}
			header.Set(signature.StandardHeader, theirs)
			if err := signature.VerifyStandard(header, []byte(stdBody), [][]byte{[]byte(secret)}, now, 0); err != nil {
				t.Errorf("we refuse the library's: %v", err)
			}
			if err := library.Verify([]byte(stdBody+" "), header); err == nil {
				t.Error("the library verifies anything: this test proves nothing")
			}
		})
	}
}

var text string

func BenchmarkSigner(b *testing.B) {
	signer := signature.NewSigner([]byte(hubSecret))
	body, at := []byte(strings.Repeat("x", 350)), time.Unix(stdSeconds, 0)
	dst := make([]byte, 0, 128)
	for _, bench := range []struct {
		name string
		sign func()
	}{
		{"AppendHub", func() { dst = signer.AppendHub(dst[:0], body) }},
		{"AppendHub256", func() { dst = signer.AppendHub256(dst[:0], body) }},
		{"AppendStandard", func() { dst = signer.AppendStandard(dst[:0], stdID, at, body) }},
		{"Hub", func() { text = signer.Hub(body) }},
		{"Hub256", func() { text = signer.Hub256(body) }},
		{"Standard", func() { text = signer.Standard(stdID, at, body) }},
		{"one-shot SHA1", func() { text = signature.SHA1([]byte(hubSecret), body) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bench.sign()
			}
		})
	}
}
