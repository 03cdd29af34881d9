package cli_test

import (
	"bufio"
	"encoding/json"
	"io"
	"log"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// The first start makes an admin key and prints it once; the key works, and the next start prints none.
func TestServeMakesAnAdminKeyOnce(t *testing.T) {
	args := []string{"serve", "--listen", "127.0.0.1:0", "--database", filepath.Join(t.TempDir(), "h.db")}
	first := launch(t, nil, "", args...)
	key := first.await(&first.stderr, `(?m)^  (hsk_[A-Za-z0-9_-]{43})$`)[1]
	url := first.await(&first.stderr, `msg=listening url=(\S+)`)[1]
	if !strings.Contains(first.stderr.String(), "  export HOOKSWITCH_SERVER="+url+"\n") {
		t.Errorf("the first start does not name the server: %s", first.stderr.String())
	}
	if !strings.Contains(first.stderr.String(), "\n  "+url+"/console/\n") {
		t.Errorf("the first start does not name the console beside the key: %s", first.stderr.String())
	}
	if code, _, stderr := run(t, []string{"HOOKSWITCH_API_KEY=" + key, "HOOKSWITCH_SERVER=" + url}, "", "webhooks", "list"); code != 0 {
		t.Errorf("the key does not work: %s", stderr)
	}
	if code := first.stop(); code != 0 {
		t.Fatalf("the server ended with %d: %s", code, first.stderr.String())
	}
	second := launch(t, nil, "", args...)
	url = second.await(&second.stderr, `msg=listening url=(\S+)`)[1]
	second.await(&second.stderr, `console=`+url+`/console/ `) // where people find it who have no new key
	if strings.Contains(second.stderr.String(), "hsk_") {
		t.Error("a key was printed again")
	}
	if code, _, stderr := run(t, nil, key+"\n", "webhooks", "list", "--server", url, "--key-file", "-"); code != 0 {
		t.Errorf("the key does not work after a restart: %s", stderr)
	}
	if code := second.stop(); code != 0 {
		t.Errorf("the server ended with %d", code)
	}
}

// An empty host listens everywhere; the public URL, and with it every selfUri, is then one that works on this machine.
func TestServeOnEveryAddress(t *testing.T) {
	p := launch(t, []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey}, "", "serve", "--listen", ":0", "--log-format", "json",
		"--database", "sqlite:"+filepath.Join(t.TempDir(), "h.db"))
	url := p.await(&p.stderr, `"msg":"listening","url":"(http://127.0.0.1:\d+)"`)[1]
	env := []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey, "HOOKSWITCH_SERVER=" + url}
	_, stdout, stderr := run(t, env, "", "interactions", "create", "--json")
	if !strings.Contains(stdout, `"selfUri": "`+url+"/nexus/v3/chat/sessions/") {
		t.Errorf("got %s%s", stdout, stderr)
	}
}

// What libraries write to the standard log comes in the server's own, at level debug.
func TestServeKeepsTheStandardLog(t *testing.T) {
	p := launch(t, []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey}, "", "serve", "--listen", "127.0.0.1:0", "--log-level", "debug",
		"--database", filepath.Join(t.TempDir(), "h.db"))
	p.await(&p.stderr, `msg=listening`)
	log.Print("Transport: unhandled response frame type")
	p.await(&p.stderr, `level=DEBUG msg="a library says" text="Transport: unhandled response frame type" leftOut=0`)
}

// startProcess starts the program as a process of its own and returns what its standard error says first.
func startProcess(t *testing.T, pattern string, args ...string) (*exec.Cmd, []string, io.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "hookswitch", args...)
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	re, lines := regexp.MustCompile(pattern), bufio.NewReader(pipe)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the process ended: %v", err)
		}
		if m := re.FindStringSubmatch(line); m != nil {
			return cmd, m, lines
		}
	}
}

// A signal ends the process gracefully; while it waits for a delivery in flight, a second one ends it at once.
func TestServeEndsBySignals(t *testing.T) {
	server, m, rest := startProcess(t, `msg=listening url=(\S+)`, "serve", "--listen", "127.0.0.1:0", "--drain-timeout", "10m",
		"--admin-key", adminKey, "--allow-private-targets", "127.0.0.0/8", "--database", filepath.Join(t.TempDir(), "h.db"))
	receiver := launch(t, nil, "", "listen", "--listen", "127.0.0.1:0", "--delay", "59s")
	env := []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey, "HOOKSWITCH_SERVER=" + m[1]}
	url := receiver.await(&receiver.stderr, `listening on (\S+),`)[1]
	if code, _, stderr := run(t, env, "", "webhooks", "create", "--url", url, "--request-timeout", "60s"); code != 0 {
		t.Fatal(stderr)
	}
	if code, _, stderr := run(t, env, "", "interactions", "create", "--queue", "q"); code != 0 {
		t.Fatal(stderr)
	}
	signal := func(s syscall.Signal) {
		if err := server.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGTERM)
	lines := bufio.NewReader(rest)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the process ended at the first signal, although a delivery is in flight: %v", err)
		}
		if strings.Contains(line, "msg=ending") {
			break
		}
	}
	signal(syscall.SIGTERM)
	if err := server.Wait(); server.ProcessState.ExitCode() != 128+int(syscall.SIGTERM) {
		t.Errorf("the process ended with %v", err)
	}
}

// One signal is enough where nothing is in flight.
func TestServeEndsByOneSignal(t *testing.T) {
	server, _, rest := startProcess(t, `msg=listening`, "serve", "--listen", "127.0.0.1:0", "--admin-key", adminKey,
		"--database", filepath.Join(t.TempDir(), "h.db"))
	if err := server.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(rest)
	if err != nil || !strings.Contains(string(text), "msg=ended") {
		t.Errorf("got %s, %v", text, err)
	}
	if err := server.Wait(); err != nil {
		t.Errorf("the process ended with %v", err)
	}
}

// A server whose lease cannot hold the POSTs of a stored webhook, be it disabled, does not start: they would be claimed and
// released for ever. What it says is enough to mend it.
func TestServeRefusesAShortLease(t *testing.T) {
	database := filepath.Join(t.TempDir(), "h.db")
	var server *process
	begin := func(lease string) []string {
		server = launch(t, []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey}, "", "serve", "--listen", "127.0.0.1:0", "--database", database, "--lease", lease)
		return []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey, "HOOKSWITCH_SERVER=" + server.await(&server.stderr, `msg=listening url=(\S+)`)[1]}
	}
	refused := func(lease string, parts ...string) {
		t.Helper()
		code, _, stderr := run(t, []string{"HOOKSWITCH_LEASE=" + lease}, "", "serve", "--listen", "127.0.0.1:0", "--database", database)
		if code != 2 || strings.Contains(stderr, "listening") {
			t.Fatalf("the server ended with %d: %s", code, stderr)
		}
		for _, part := range parts {
			if !strings.Contains(stderr, part) {
				t.Errorf("%q is missing in: %s", part, stderr)
			}
		}
	}
	env := begin("90s")
	client := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := run(t, env, "", args...)
		if code != 0 {
			t.Fatalf("%v ended with %d: %s", args, code, stderr)
		}
		return stdout
	}
	create := func(args ...string) string {
		t.Helper()
		var w struct{ ID string }
		if err := json.Unmarshal([]byte(client(append([]string{"webhooks", "create", "--url", "https://a.example", "--json"}, args...)...)), &w); err != nil {
			t.Fatal(err)
		}
		return w.ID
	}
	quick, slow, gone := create("--request-timeout", "4s"), create("--request-timeout", "20s"), create("--request-timeout", "60s")
	client("webhooks", "disable", slow)
	client("webhooks", "delete", gone)
	server.stop()
	refused("5s", `lease "5s" is too short for webhooks in the store: `+slow+".", "lease of at least 21s",
		"hookswitch webhooks update ID --request-timeout 4s", "(from environment HOOKSWITCH_LEASE)")
	refused("4s", quick, slow, "--request-timeout 3s")

	env = begin("21s")
	if code, _, stderr := run(t, env, "", "webhooks", "create", "--url", "https://a.example", "--request-timeout", "21s"); code != 7 ||
		!strings.Contains(stderr, "body.requestTimeout: needs a lease of at least 22s") || !strings.Contains(stderr, "the server's lease is 21s: give the webhook a requestTimeout of at most 20s") {
		t.Errorf("creating one that does not fit ended with %d: %s", code, stderr)
	}
	for range 5 {
		create()
	}
	server.stop()
	refused("5s", " and 1 more.")

	env = begin("21s")
	var list struct{ Items []struct{ ID string } }
	if err := json.Unmarshal([]byte(client("webhooks", "list", "--json")), &list); err != nil || len(list.Items) != 7 {
		t.Fatalf("%d webhooks, %v", len(list.Items), err)
	}
	for _, w := range list.Items {
		client("webhooks", "update", w.ID, "--request-timeout", "4s")
	}
	server.stop()
	begin("5s")
	if code := server.stop(); code != 0 {
		t.Errorf("the server ended with %d", code)
	}
}

func TestDemo(t *testing.T) {
	code, stdout, stderr := run(t, nil, "", "demo", "--for", "1s", "--rate", "50", "--json")
	if code != 0 {
		t.Fatalf("the demo ended with %d\n%s\n%s", code, stdout, stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	var last struct {
		Summary struct {
			Accepted, Acknowledged, Retried, OutOfOrder, SignatureFailures int
			Proven                                                         bool
		}
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	s := last.Summary
	if !s.Proven || s.Accepted < 4 || s.Accepted != s.Acknowledged || s.Retried != s.Accepted/7 || s.OutOfOrder+s.SignatureFailures != 0 {
		t.Errorf("the summary is %+v", s)
	}
	if acknowledged := strings.Count(stdout, `"acknowledged":true`); acknowledged != s.Accepted {
		t.Errorf("%d webhooks were printed, %d events accepted", acknowledged, s.Accepted)
	}
}

// Ctrl-C closes what is open, and every event is still acknowledged.
func TestDemoInterrupted(t *testing.T) {
	p := launch(t, nil, "", "demo", "--rate", "100")
	p.await(&p.stderr, `server +(http://\S+) [^\n]*\nconsole +http://\S+/console/ `)
	p.await(&p.stdout, `acknowledged.*\n(?s:.*)FINISHED`)
	if code := p.stop(); code != 0 {
		t.Errorf("the demo ended with %d\n%s", code, p.stdout.String())
	}
	if text := p.stdout.String(); !strings.Contains(text, "Every event was acknowledged, in order and verified.") || strings.Contains(text, "\x1b") {
		t.Errorf("got %s", text)
	}
}
