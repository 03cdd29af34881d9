package console

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// sayArguments makes a shell print what curl would be given, with NUL between the arguments.
const sayArguments = `curl() { printf '%s\0' "$@"; }
`

// argumentsOf runs a command in the shells that people paste into, and returns what curl is given in both.
func argumentsOf(t rapid.TB, command string, environment ...string) (arguments []string) {
	said := ""
	for _, name := range []string{"sh", "bash"} {
		shell := exec.Command(name, "-c", sayArguments+command)
		shell.Env = environment
		out, err := shell.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s\n%s", name, err, out, command)
		}
		if said != "" && string(out) != said {
			t.Fatalf("bash says %q, sh %q", out, said)
		}
		said = string(out)
	}
	return strings.Split(strings.TrimSuffix(said, "\x00"), "\x00")
}

// A shell passes on the URL, each header and the body exactly as they are, whatever is in them.
func TestCurlRepeatsExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &hook.Webhook{Settings: hook.DefaultSettings()}
		text := rapid.StringOf(rapid.OneOf(rapid.RuneFrom([]rune("'\"\\$`!*;&|<>()#~ \t\n%")), rapid.RuneFrom([]rune("az09é€😀")), rapid.RuneFrom([]rune("[]{},-.@=^?\x1b\x7f\u009b\u202e\u200b"))))
		w.Settings.URL = "https://receiver.example/" + strings.NewReplacer("#", "", "%", "", "\n", "", "\t", "", "?", "", "\x1b", "", "\x7f", "").Replace(text.Draw(t, "path"))
		value, body := "v"+text.Draw(t, "value"), text.Draw(t, "body")
		r := curlOf(w, http.Header{"A'$B": {value}, "Empty": {""}, "Accept": {"x"}, "User-Agent": {"y"}}, []byte(body), true)
		want := []string{
			"--globoff", "--path-as-is", "--include", "--silent", "--show-error", "--max-time", "10", w.Settings.URL,
			"--header", "A'$B: " + value, "--header", "Accept: x", "--header", "Empty;", "--header", "User-Agent: y", "--data-raw", body,
		}
		if len(r.Variables) != 0 {
			t.Fatalf("variables %v", r.Variables)
		}
		if diff := cmp.Diff(want, argumentsOf(t, r.Command)); diff != "" {
			t.Fatalf("(-want +got):\n%s\n%s", diff, r.Command)
		}
	})
}

// What is a secret, or may be one, is a variable: it is nowhere in the command, and the command works once it is set.
func TestCurlHoldsNoSecret(t *testing.T) {
	const secret = "hunter2"
	settings := hook.DefaultSettings()
	settings.URL, settings.RequestTimeout = "https://receiver.example/x?token="+secret, hook.Duration(1500*time.Millisecond)
	settings.Headers = map[string]string{"X-Tenant": secret}
	settings.TLS = hook.TLS{Certificate: secret, Key: hook.NewSecret(secret), Roots: secret}
	r := curlOf(&hook.Webhook{Settings: settings}, http.Header{"X-Tenant": {concealed}, "Path": {concealed}}, []byte("{}"), true)
	if strings.Contains(r.Command, secret) {
		t.Errorf("the command holds the secret:\n%s", r.Command)
	}
	environment := []string{}
	for _, v := range r.Variables {
		environment = append(environment, v.Name+"=the "+v.Name)
	}
	want := []string{
		"--globoff", "--path-as-is", "--include", "--silent", "--show-error", "--max-time", "1.5", "the RECEIVER_URL", "--header", "Path: the RECEIVER_PATH", "--header", "X-Tenant: the RECEIVER_X_TENANT",
		"--header", "Accept:", "--header", "User-Agent:", "--cert", "the RECEIVER_CERTIFICATE", "--key", "the RECEIVER_KEY", "--cacert", "the RECEIVER_ROOTS", "--data-raw", "{}",
	}
	if diff := cmp.Diff(want, argumentsOf(t, r.Command, environment...)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	settings.URL = "https://receiver.example/private"
	if r = curlOf(&hook.Webhook{Settings: settings}, nil, nil, false); strings.Contains(r.Command, "private") {
		t.Errorf("somebody who may not see the URL sees it:\n%s", r.Command)
	}
}
