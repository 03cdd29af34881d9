package walk_test

import (
	"os"
	"testing"

	"github.com/hookswitch/hookswitch/internal/browsertest"
	"github.com/hookswitch/hookswitch/internal/pgtest"
)

func TestMain(m *testing.M) {
	os.Exit(browsertest.Main(func() int { return pgtest.Main(m) }))
}
