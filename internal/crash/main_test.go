package crash_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/hookswitch/hookswitch/internal/pgtest"
)

// What `make crash` sets. The defaults are for `make test`.
var (
	killsFlag        = flag.Int("kills", 5, "how often TestCrash kills the server")
	interactionsFlag = flag.Int("interactions", 2_000, "how many interactions TestCrash makes")
	seedFlag         = flag.Uint64("seed", 0, "the seed of what is random; 0 takes a new one")
)

// binary is the program under test, built once by TestMain.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "hookswitch-crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	binary = filepath.Join(dir, "hookswitch")
	build := buildCommand(context.Background(), "-o", binary)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the server: %v\n%s", err, out)
		return 1
	}
	return pgtest.Main(m)
}

// buildCommand builds the program as it is shipped, or, when this test is run with the race detector, with it: that finds races which
// need a takeover to happen.
func buildCommand(ctx context.Context, flags ...string) *exec.Cmd {
	args, cgo := append([]string{"build"}, flags...), "0"
	if raced {
		// As scripts/gotest builds the tests, which says why.
		args, cgo = append(args, "-race", "-gcflags=modernc.org/sqlite/lib=-race=false"), "1"
	}
	build := exec.CommandContext(ctx, "go", append(args, "github.com/hookswitch/hookswitch/cmd/hookswitch")...)
	build.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	return build
}
