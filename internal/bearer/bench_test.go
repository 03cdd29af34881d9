package bearer_test

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// BenchmarkVerify is what a token costs of which the verdict is kept, against one that is verified each time, and against looking up a
// key: `go test ./internal/bearer -run '^$' -bench Verify`.
func BenchmarkVerify(b *testing.B) {
	ec := ecKey(b)
	e := setUp(b, newIssuer(b, public("rsa", rsaKeys()[0]), public("ec", ec)))
	tokens := map[string]string{
		"RS256": oidctest.SignIDToken(rsaKeys()[0], "rsa", oidc.RS256, e.claims(nil)),
		"ES256": oidctest.SignIDToken(ec, "ec", oidc.ES256, e.claims(nil)),
	}
	for name, token := range tokens {
		b.Run(fmt.Sprintf("%s anew", name), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e.verifier.Forget()
				e.good(b, token)
			}
		})
		b.Run(fmt.Sprintf("%s kept", name), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e.good(b, token)
			}
		})
	}
	s := storetest.Open(b)
	const key = "hsk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
	if err := s.SetAdminKey(b.Context(), time.Now(), sha256.Sum256([]byte(key))); err != nil {
		b.Fatal(err)
	}
	b.Run("key", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.CallerOf(hook.ProofOf(key), time.Now()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
