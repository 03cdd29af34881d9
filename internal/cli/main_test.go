package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/hookswitch/hookswitch/internal/cli"
	"github.com/hookswitch/hookswitch/internal/pgtest"
)

// TestMain makes the test binary be the program too: where a script says `exec hookswitch`, it is a process of its own,
// wired as in cmd/hookswitch.
func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){
		"hookswitch": func() {
			os.Exit(cli.Run(cli.Signalled(), cli.OS()))
		},
	})
}

type leakChecked struct{ *testing.M }

// Run runs the tests and then looks for goroutines that they left.
func (m leakChecked) Run() int {
	code := pgtest.Main(m.M)
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// awaitMax bounds every wait of a test; it is reached only when the test fails.
const awaitMax = 60 * time.Second

// tester is what the harness needs of a test, or of a script.
type tester interface {
	Helper()
	Cleanup(f func())
	Fatalf(format string, args ...any)
}

// process is the program running within the test.
type process struct {
	t      tester
	cancel context.CancelFunc
	ended  chan struct{}
	code   int // written before ended is closed
	stdout output
	stderr output
}

// launch starts the program with these arguments and variables ("NAME=value").
func launch(t tester, env []string, stdin string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{t: t, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		p.code = cli.Run(ctx, cli.System{
			Args: args, Env: environment(env), Stdin: strings.NewReader(stdin), Stdout: &p.stdout, Stderr: &p.stderr,
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-p.ended
	})
	return p
}

func environment(env []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, line := range env {
			if value, ok := strings.CutPrefix(line, name+"="); ok {
				return value, true
			}
		}
		return "", false
	}
}

// stop ends the program as a signal does and returns its exit code.
func (p *process) stop() int {
	p.t.Helper()
	p.cancel()
	return p.wait()
}

func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(awaitMax):
		p.t.Fatalf("the program does not end\nstdout:\n%s\nstderr:\n%s", p.stdout.String(), p.stderr.String())
	}
	return p.code
}

// await waits until the output matches and returns the submatches.
func (p *process) await(o *output, pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	limit := time.After(awaitMax)
	for {
		text, grown := o.state()
		if m := re.FindStringSubmatch(text); m != nil {
			return m
		}
		select {
		case <-grown:
		case <-p.ended:
			if m := re.FindStringSubmatch(o.String()); m != nil {
				return m
			}
			p.t.Fatalf("the program ended with %d before %q\nstdout:\n%s\nstderr:\n%s", p.code, pattern, p.stdout.String(), p.stderr.String())
		case <-limit:
			p.t.Fatalf("no %q\nstdout:\n%s\nstderr:\n%s", pattern, p.stdout.String(), p.stderr.String())
		}
	}
}

// output is written by the program and read by the test.
type output struct {
	mu    sync.Mutex // guards both below
	text  bytes.Buffer
	grown chan struct{}
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.grown != nil {
		close(o.grown)
		o.grown = nil
	}
	return o.text.Write(b)
}

func (o *output) state() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.grown == nil {
		o.grown = make(chan struct{})
	}
	return o.text.String(), o.grown
}

func (o *output) String() string {
	text, _ := o.state()
	return text
}

// run runs the program to its end.
func run(t tester, env []string, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	p := launch(t, env, stdin, args...)
	code = p.wait()
	return code, p.stdout.String(), p.stderr.String()
}
