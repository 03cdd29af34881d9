package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hookswitch/hookswitch/internal/pgtest"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
)

// adminKey is the admin key of every server in the scripts.
const adminKey = "hsk_of-the-scripts-0123456789"

// TestScripts runs the scripts. `exec hookswitch` is a process of its own. Beside the usual commands they have
//
//	cli ...            the program within the process of the test: faster, but relative paths mean nothing to it
//	code N ...         the same, to end with this exit code
//	field PATH NAME    sets a variable to a field of the JSON document that was printed last
//	post BODY HEADERS STATUS   posts two files to the receiver, which answers so, or is "dropped"
//	delivered ID       waits until the server has recorded that a delivery was delivered
//	count STATE N      waits until so many deliveries are in a state
//	server [flags]     starts a server on a fresh store, with HOOKSWITCH_SERVER and HOOKSWITCH_ADMIN_KEY set for the client commands
//	receiver [flags]   starts `listen` and sets $RECEIVER to its URL
//	await PATTERN      waits until the receiver's output matches
//	said PATTERN       waits until the server's log matches
//	collect            waits for the receiver's own end and writes its output to the files received and summary
//	postgres NAME      sets a variable to the URL of a new, empty PostgreSQL database
//	end WHAT           ends the server or the receiver as a signal does, and demands exit code 0
//
// body.json is "Hello, World!", compact.json and standard.json hold a JSON object, all without a line feed, which an archive cannot hold.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Values[stageKey{}] = &stage{}
			env.Setenv("KEYSET", sealtest.Text)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // as scripts/gotest sets it: a script gets no other variables than its own
			return errors.Join(
				os.WriteFile(filepath.Join(env.WorkDir, "body.json"), []byte("Hello, World!"), 0o600),
				os.WriteFile(filepath.Join(env.WorkDir, "standard.json"), []byte(`{"test": 2432232314}`), 0o600),
				os.WriteFile(filepath.Join(env.WorkDir, "compact.json"), []byte(`{"a":1}`), 0o600),
			)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cli": runWithin, "code": runCode, "field": setField, "post": post, "delivered": awaitDelivered, "count": awaitCount,
			"server": startServer, "receiver": startReceiver, "await": awaitReceiver, "collect": collectReceiver, "end": end, "said": awaitServer,
			"postgres": func(ts *testscript.TestScript, _ bool, args []string) { ts.Setenv(args[0], pgtest.Database(t)) },
		},
	})
}

type stageKey struct{}

// stage is what runs beside a script.
type stage struct{ server, receiver *process }

// scriptTester makes a script a tester.
type scriptTester struct{ *testscript.TestScript }

// Helper does nothing: a script's failure names its own line.
func (scriptTester) Helper() {}

// Cleanup registers what is done when the script ends.
func (s scriptTester) Cleanup(f func()) { s.Defer(f) }

func stageOf(ts *testscript.TestScript) *stage {
	s, ok := ts.Value(stageKey{}).(*stage)
	if !ok {
		ts.Fatalf("the script has no stage")
	}
	return s
}

func startServer(ts *testscript.TestScript, _ bool, flags []string) {
	s := stageOf(ts)
	args := append([]string{
		"serve", "--listen", "127.0.0.1:0", "--database", filepath.Join(ts.Getenv("WORK"), "hookswitch.db"),
		"--allow-private-targets", "127.0.0.0/8",
	}, flags...)
	s.server = launch(scriptTester{ts}, []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey}, "", args...)
	m := s.server.await(&s.server.stderr, `msg=listening url=(\S+)`)
	ts.Setenv("HOOKSWITCH_SERVER", m[1])
	ts.Setenv("ADDRESS", strings.TrimPrefix(m[1], "http://"))
	ts.Setenv("HOOKSWITCH_ADMIN_KEY", adminKey)
}

func startReceiver(ts *testscript.TestScript, _ bool, flags []string) {
	s := stageOf(ts)
	env := []string{"HOOKSWITCH_SECRET=" + ts.Getenv("HOOKSWITCH_SECRET")}
	s.receiver = launch(scriptTester{ts}, env, "", append([]string{"listen", "--listen", "127.0.0.1:0"}, flags...)...)
	ts.Setenv("RECEIVER", s.receiver.await(&s.receiver.stderr, `listening on (\S+),`)[1])
}

func awaitReceiver(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	s.receiver.await(&s.receiver.stdout, strings.Join(args, " "))
}

func awaitServer(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	s.server.await(&s.server.stderr, strings.Join(args, " "))
}

func collectReceiver(ts *testscript.TestScript, _ bool, _ []string) {
	s := stageOf(ts)
	if code := s.receiver.wait(); code != 0 {
		ts.Fatalf("the receiver ended with %d: %s", code, s.receiver.stderr.String())
	}
	for name, text := range map[string]string{"received": s.receiver.stdout.String(), "summary": s.receiver.stderr.String()} {
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

func end(ts *testscript.TestScript, _ bool, args []string) {
	p := stageOf(ts).server
	if args[0] == "receiver" {
		p = stageOf(ts).receiver
	}
	if code := p.stop(); code != 0 {
		ts.Fatalf("the %s ended with %d: %s", args[0], code, p.stderr.String())
	}
}

// within runs the program in the process of the test, with the variables of the script.
func within(ts *testscript.TestScript, args []string) int {
	var env []string
	for _, name := range []string{"SERVER", "API_KEY", "ADMIN_KEY", "CONTACT_CENTER", "SECRET", "CONFIG", "LEASE", "DATABASE", "MASTER_KEYSET"} {
		env = append(env, "HOOKSWITCH_"+name+"="+ts.Getenv("HOOKSWITCH_"+name))
	}
	code, stdout, stderr := run(scriptTester{ts}, env, "", args...)
	_, err := io.WriteString(ts.Stdout(), stdout)
	ts.Check(err)
	_, err = io.WriteString(ts.Stderr(), stderr)
	ts.Check(err)
	return code
}

func runWithin(ts *testscript.TestScript, neg bool, args []string) {
	if code := within(ts, args); (code == 0) == neg {
		ts.Fatalf("the exit code is %d", code)
	}
}

func runCode(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := within(ts, args[1:]); (got == want) == neg {
		ts.Fatalf("the exit code is %d", got)
	}
}

func setField(ts *testscript.TestScript, _ bool, args []string) {
	var value any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &value))
	for name := range strings.SplitSeq(args[0], ".") {
		switch at := value.(type) {
		case map[string]any:
			value = at[name]
		case []any:
			n, err := strconv.Atoi(name)
			ts.Check(err)
			if n >= len(at) {
				ts.Fatalf("%s: the list has %d items", args[0], len(at))
			}
			value = at[n]
		}
	}
	ts.Setenv(args[1], fmt.Sprint(value))
}

func post(ts *testscript.TestScript, _ bool, args []string) {
	req, err := http.NewRequest(http.MethodPost, ts.Getenv("RECEIVER"), strings.NewReader(ts.ReadFile(args[0])))
	ts.Check(err)
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		req.Header.Set(name, value)
	}
	req.Close = true // no connection outlives the script
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		if args[2] != "dropped" {
			ts.Fatalf("post: %v", err)
		}
		return
	}
	ts.Check(resp.Body.Close())
	if got := strconv.Itoa(resp.StatusCode); got != args[2] {
		ts.Fatalf("the receiver answered %s", got)
	}
}

// awaitDelivered asks until the outcome is recorded, which happens a moment after the receiver's answer.
func awaitDelivered(ts *testscript.TestScript, _ bool, args []string) {
	env := []string{"HOOKSWITCH_SERVER=" + ts.Getenv("HOOKSWITCH_SERVER"), "HOOKSWITCH_ADMIN_KEY=" + adminKey}
	for limit := time.Now().Add(awaitMax); time.Now().Before(limit); {
		code, stdout, stderr := run(scriptTester{ts}, env, "", "deliveries", "get", args[0], "--json")
		if code != 0 {
			ts.Fatalf("deliveries get: %s", stderr)
		}
		if strings.Contains(stdout, `"state": "delivered"`) {
			return
		}
	}
	ts.Fatalf("%s is not delivered", args[0])
}

// awaitCount asks until so many deliveries are in a state.
func awaitCount(ts *testscript.TestScript, _ bool, args []string) {
	env := []string{"HOOKSWITCH_SERVER=" + ts.Getenv("HOOKSWITCH_SERVER"), "HOOKSWITCH_ADMIN_KEY=" + adminKey}
	stdout := ""
	for limit := time.Now().Add(awaitMax); time.Now().Before(limit); {
		var code int
		var stderr string
		if code, stdout, stderr = run(scriptTester{ts}, env, "", "deliveries", "list", "--all", "--state", args[0], "--json"); code != 0 {
			ts.Fatalf("deliveries list: %s", stderr)
		}
		if fmt.Sprint(strings.Count(stdout, `"operationId"`)) == args[1] {
			return
		}
	}
	ts.Fatalf("not %s are %s: %s", args[1], args[0], stdout)
}
