package oracle_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/hookswitch/hookswitch/signature"
)

// verifier is a receiver that is not ours, with one secret. Of each event that it accepts it answers "triggered", the
// operation id and the kind of event; the others it answers with [refusal].
type verifier struct {
	name string
	// start starts it and returns the URL to deliver to.
	start func(t *testing.T, secret string) string
}

// refusal is the status of a POST whose signature is wrong.
const refusal = http.StatusForbidden

// standardName is the verifier that knows a header with several signatures.
const standardName = "Standard Webhooks"

func verifiers() []verifier {
	return []verifier{
		{"webhook payload-hmac-sha1", debian("sha1", signature.HubHeader)},
		{"webhook payload-hmac-sha256", debian("sha256", signature.Hub256Header)},
		{"x-hub-signature sha1", npm("sha1")},
		{"x-hub-signature sha256", npm("sha256")},
		{standardName, standard},
	}
}

// tool finds a program that scripts/setup installs.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: run scripts/setup (%v)", name, err)
	}
	return path
}

// debian is the webhook server of Debian's package webhook, with one hook whose rule is an HMAC of the body.
func debian(algorithm, header string) func(*testing.T, string) string {
	return func(t *testing.T, secret string) string {
		hooks := []any{map[string]any{
			"id": algorithm, "execute-command": tool(t, "echo"), "include-command-output-in-response": true,
			"pass-arguments-to-command": []any{
				map[string]any{"source": "string", "name": "triggered"},
				map[string]any{"source": "payload", "name": "operationId"},
				map[string]any{"source": "payload", "name": "data.entities.0.event"},
			},
			// Within "or", and with soft failures, a wrong signature, and nothing else that might go wrong, is answered 403.
			"trigger-rule": map[string]any{"or": []any{map[string]any{"match": map[string]any{
				"type": "payload-hmac-" + algorithm, "secret": secret,
				"parameter": map[string]any{"source": "header", "name": header},
			}}}},
			"trigger-signature-soft-failures": true, "trigger-rule-mismatch-http-response-code": refusal,
		}}
		text, err := json.Marshal(hooks)
		if err != nil {
			t.Fatalf("encode hooks: %v", err)
		}
		file := filepath.Join(t.TempDir(), "hooks.json")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatalf("write hooks: %v", err)
		}
		// It cannot choose a port itself. Ports below the ephemeral ones are taken by nobody by chance.
		for range 100 {
			port := strconv.Itoa(20_000 + rand.IntN(10_000))
			out, end := run(t, exec.Command(tool(t, "webhook"), "-ip", "127.0.0.1", "-port", port, "-hooks", file, "-verbose"))
			if waitFor(out, "serving hooks on") {
				go drain(out)
				return "http://" + net.JoinHostPort("127.0.0.1", port) + "/hooks/" + algorithm
			}
			end()
		}
		t.Fatal("webhook cannot be started on any port")
		return ""
	}
}

// npm is a receiver that uses the npm package x-hub-signature.
func npm(algorithm string) func(*testing.T, string) string {
	return func(t *testing.T, secret string) string {
		if _, err := os.Stat(filepath.Join("node_modules", "x-hub-signature")); err != nil {
			t.Fatalf("the npm packages of internal/oracle are not installed: run scripts/setup (%v)", err)
		}
		node := exec.Command(tool(t, "node"), "receiver.mjs")
		node.Env = append(node.Environ(), "ORACLE_SECRET="+secret)
		stdin, err := node.StdinPipe()
		if err != nil {
			t.Fatalf("open node's input: %v", err)
		}
		t.Cleanup(func() { stdin.Close() })
		out, _ := run(t, node)
		port, err := out.ReadString('\n')
		if err != nil {
			t.Fatalf("node printed no port: %v", err)
		}
		go drain(out)
		return "http://" + net.JoinHostPort("127.0.0.1", strings.TrimSpace(port)) + "/" + algorithm
	}
}

// run starts a program and returns what it prints; it is ended with the test, or by end.
func run(t *testing.T, cmd *exec.Cmd) (out *bufio.Reader, end func()) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatalf("make pipe: %v", err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	w.Close()
	ended := false
	end = func() {
		if !ended {
			_ = cmd.Process.Kill() // it may be gone already
			_ = cmd.Wait()         // it was killed, and says so
			r.Close()
			ended = true
		}
	}
	t.Cleanup(end)
	return bufio.NewReader(r), end
}

// waitFor reads until a line holds the text; false means that the output ended before.
func waitFor(out *bufio.Reader, text string) bool {
	for {
		line, err := out.ReadString('\n')
		if strings.Contains(line, text) {
			return true
		}
		if err != nil {
			return false
		}
	}
}

// drain reads what nobody wants to know, so that its writer never waits.
func drain(r io.Reader) {
	_, _ = io.Copy(io.Discard, r) // it ends when the writer does, however that is
}

// standard is a receiver that uses the Go library of Standard Webhooks.
func standard(t *testing.T, secret string) string {
	v, err := standardwebhooks.NewWebhook(signature.StandardSecret([]byte(secret)))
	if err != nil {
		t.Fatalf("make the verifier: %v", err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = v.Verify(body, r.Header)
		}
		var payload struct {
			OperationID string
			Data        struct{ Entities []struct{ Event string } }
		}
		if err == nil {
			err = json.Unmarshal(body, &payload)
		}
		if err != nil || len(payload.Data.Entities) != 1 {
			http.Error(w, fmt.Sprint("refused: ", err), refusal)
			return
		}
		fmt.Fprintf(w, "triggered %s %s", payload.OperationID, payload.Data.Entities[0].Event)
	}))
	t.Cleanup(s.Close)
	return s.URL
}
