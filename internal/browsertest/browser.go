package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/chromedp/chromedp"
)

// program is what Debian calls the browser, and endWait bounds its end.
const (
	program = "chromium"
	endWait = 20 * time.Second
)

// process is what the tests of this process share. It is a variable because TestMain and tests have nothing else in common.
var process shared

// A shared browser is started at first use and ended by Main.
type shared struct {
	mu       sync.Mutex // guards all that follows
	ctx      context.Context
	release  context.CancelFunc
	startErr error // kept, so that every test fails at once instead of trying again
}

// Main runs a package's tests, ends the browser if they started one, and returns the exit code. Every package that uses this
// one calls it in TestMain: os.Exit(browsertest.Main(m.Run)), or with another package's Main in between.
func Main(run func() int) int {
	code := run()
	if err := process.end(); err != nil {
		fmt.Fprintln(os.Stderr, "browsertest:", err)
		return max(code, 1)
	}
	return code
}

// browser returns the context of the running browser; each tab's context is made from it.
func (s *shared) browser() (context.Context, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil && s.startErr == nil {
		s.startErr = s.startLocked()
	}
	return s.ctx, s.startErr
}

func (s *shared) startLocked() error {
	path, err := exec.LookPath(program)
	if err != nil {
		return fmt.Errorf("%s is not installed: run scripts/setup (%w)", program, err)
	}
	// The browser outlives the test that starts it.
	allocator, freeAllocator := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.NoSandbox, // its sandbox does not start as root, and it sees our own pages only
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-extensions", true),
		chromedp.Flag("disable-breakpad", true),
		chromedp.Flag("disable-dev-shm-usage", true), // containers have little of it
		chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("lang", "en-GB"),
		chromedp.Flag("proxy-server", "direct://"),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"), // nothing but loopback
		chromedp.Env("LC_ALL=C.UTF-8"),
	)
	ctx, closeBrowser := chromedp.NewContext(allocator)
	s.release = func() {
		closeBrowser()
		freeAllocator()
	}
	if err := chromedp.Do(ctx); err != nil {
		s.release()
		return fmt.Errorf("start %s: %w", program, err)
	}
	s.ctx = ctx
	return nil
}

func (s *shared) end() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.ctx, endWait)
	defer cancel()
	err := chromedp.Cancel(ctx)
	s.release()
	s.ctx = nil
	if err != nil {
		return fmt.Errorf("end %s: %w", program, err)
	}
	return nil
}
