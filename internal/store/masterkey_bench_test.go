package store_test

import (
	"testing"

	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// BenchmarkReadAnew reads 10,000 webhooks, each with many credentials, as a node does when another one has changed one, and
// opens as many texts and no more.
func BenchmarkReadAnew(b *testing.B) {
	const webhooks = 10_000
	s := storetest.Open(b)
	for n := range webhooks {
		edit, _ := withSecrets(n)
		webhook(b, s, theCenter, edit)
	}
	b.Run("sealed", func(b *testing.B) {
		for b.Loop() {
			must(b, s.ReadAnew())
		}
	})
	b.Run("open alone", func(b *testing.B) {
		k := sealtest.Keyset()
		sealed, _, err := k.Seal(make([]byte, 500), "webhook 0190a1b2-0000-7000-8000-000000000000")
		must(b, err)
		for b.Loop() {
			for range webhooks {
				if _, err := k.Open(sealed, "webhook 0190a1b2-0000-7000-8000-000000000000"); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
