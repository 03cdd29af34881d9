//go:build !race

package signature_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/signature"
)

// TestSignerAllocations is not built with the race detector, under which sync.Pool drops items at random.
func TestSignerAllocations(t *testing.T) {
	signer := signature.NewSigner([]byte(hubSecret))
	body, at := []byte(strings.Repeat("x", 350)), time.Unix(stdSeconds, 0)
	dst := make([]byte, 0, 128)
	for name, test := range map[string]struct {
		sign func()
		want float64
	}{
		"AppendHub":      {func() { dst = signer.AppendHub(dst[:0], body) }, 0},
		"AppendHub256":   {func() { dst = signer.AppendHub256(dst[:0], body) }, 0},
		"AppendStandard": {func() { dst = signer.AppendStandard(dst[:0], stdID, at, body) }, 0},
		"Hub":            {func() { text = signer.Hub(body) }, 1},
	} {
		if got := testing.AllocsPerRun(200, test.sign); got != test.want {
			t.Errorf("%s: %v allocations, want %v", name, got, test.want)
		}
	}
}
