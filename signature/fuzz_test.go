package signature_test

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/signature"
)

// FuzzVerify: no header and no body makes a verification panic; what is accepted carries exactly our signature; a
// signature we made always verifies; and it never verifies a mutated body.
func FuzzVerify(f *testing.F) {
	f.Add([]byte(hubSecret), []byte(hubBody), hubSHA1, hubSHA256, stdID, strconv.Itoa(stdSeconds), stdValue, uint(3), byte(1))
	f.Add([]byte(stdSecret), []byte(stdBody), "sha1=", "sha1=00", "", "12345678901234", "v1,==  v1a,x v1", uint(0), byte(0x80))
	f.Add([]byte("s"), []byte(`{"a":"\/\u003c","b":[[1.50,null,"]"]]}`+"\r\n"), "sha1=AdwQ0Mg+cu0kYhnN2RZpZn/iylk=", "", "i", "x", "v1,", uint(40), byte(7))
	f.Add([]byte("whsec_%%%"), []byte("\xef\xbb\xbf[\"\\ud800\"]"), "=", "sha256==", ".", "1614265330", "v1,"+strings.Repeat("A", 44), uint(1), byte(2))
	f.Add([]byte(""), []byte(""), hubSHA1, "", stdID, "0", stdValue, uint(0), byte(1))
	f.Fuzz(func(t *testing.T, secret, body []byte, hub, hub256, id, timestamp, standard string, at uint, flip byte) {
		verifier := signature.NewVerifier(secret)
		now := time.Unix(stdSeconds, 0)
		hostile := http.Header{}
		for name, value := range map[string]string{
			signature.HubHeader: hub, signature.Hub256Header: hub256, signature.IDHeader: id,
			signature.TimestampHeader: timestamp, signature.StandardHeader: standard,
		} {
			if value != "" {
				hostile.Set(name, value)
			}
		}
		accepted := expect(t, verifier.Verify(hostile, body))
		if expect(t, verifier.Check(hostile, body)) != accepted {
			t.Fatal("Check and Verify disagree")
		}
		if accepted {
			digits := strings.ToLower(hub + hub256)
			if !strings.Contains(digits, signature.SHA1(secret, body)[5:]) && !strings.Contains(digits, signature.SHA256(secret, body)[7:]) {
				t.Fatalf("accepted %q %q", hub, hub256)
			}
		}
		if expect(t, verifier.VerifyStandard(hostile, body, now, 0)) {
			seconds, err := strconv.ParseInt(timestamp, 10, 64)
			if err != nil || !strings.Contains(standard, signature.Standard(secret, id, time.Unix(seconds, 0), body)) {
				t.Fatalf("accepted %q at %q", standard, timestamp)
			}
		}
		if len(secret) == 0 {
			return
		}

		signed := http.Header{}
		signed.Set(signature.HubHeader, signature.SHA1(secret, body))
		signed.Set(signature.Hub256Header, signature.SHA256(secret, body))
		signed.Set(signature.IDHeader, "id")
		signed.Set(signature.TimestampHeader, strconv.Itoa(stdSeconds))
		signed.Set(signature.StandardHeader, signature.Standard(secret, "id", now, body))
		if err := errors.Join(verifier.Verify(signed, body), verifier.VerifyStandard(signed, body, now, 0)); err != nil {
			t.Fatalf("our own signature: %v", err)
		}
		mutated := append([]byte(nil), body...)
		if flip == 0 || len(mutated) == 0 {
			mutated = append(mutated, flip)
		} else {
			mutated[at%uint(len(mutated))] ^= flip
		}
		if expect(t, verifier.Verify(signed, mutated)) || expect(t, verifier.VerifyStandard(signed, mutated, now, 0)) {
			t.Fatalf("%q verifies with the signature of %q", mutated, body)
		}
	})
}

// expect reports whether err is nil, and fails if it is neither that nor a complete Error.
func expect(t *testing.T, err error) bool {
	t.Helper()
	var e *signature.Error
	if err != nil && (!errors.As(err, &e) || e.Reason == "" || e.Detail == "" || signature.Explain(err) == "") {
		t.Fatalf("incomplete error %#v", err)
	}
	return err == nil
}

func BenchmarkVerifier(b *testing.B) {
	verifier := signature.NewVerifier([]byte(hubSecret))
	body := []byte(signedBody)
	right := http.Header{}
	right.Set(signature.HubHeader, signature.SHA1([]byte(hubSecret), body))
	both := right.Clone()
	both.Set(signature.Hub256Header, signature.SHA256([]byte(hubSecret), body))
	for _, bench := range []struct {
		name   string
		verify func(http.Header, []byte) error
		header http.Header
	}{
		{"sha1", verifier.Verify, right},
		{"sha1 and sha256", verifier.Verify, both},
		{"refused with search", verifier.Verify, hubHeader(hubSHA1)},
		{"refused without search", verifier.Check, hubHeader(hubSHA1)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				result = bench.verify(bench.header, body)
			}
		})
	}
	b.Run("refused with search, 1 MiB", func(b *testing.B) {
		large := []byte("[" + strings.Repeat("1,", signature.SearchBytesMax/2-1) + "1]")[:signature.SearchBytesMax]
		large[len(large)-2], large[len(large)-1] = '1', ']'
		b.ReportAllocs()
		for b.Loop() {
			result = verifier.Verify(hubHeader(hubSHA1), large)
		}
	})
}

var result error
