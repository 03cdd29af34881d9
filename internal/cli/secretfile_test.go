package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A server takes its admin key and its database from files, and a command in the same environment, as by `kubectl exec` in a pod of the chart, takes
// the key from there, too; neither says what it is.
func TestSecretsInFiles(t *testing.T) {
	dir := t.TempDir()
	key, database := filepath.Join(dir, "key"), filepath.Join(dir, "database")
	for path, text := range map[string]string{key: adminKey + "\n", database: filepath.Join(dir, "h.db") + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"HOOKSWITCH_ADMIN_KEY_FILE=" + key, "HOOKSWITCH_DATABASE_FILE=" + database}
	p := launch(t, env, "", "serve", "--listen", "127.0.0.1:0")
	url := p.await(&p.stderr, `msg=listening url=(\S+)`)[1]
	if _, err := os.Stat(filepath.Join(dir, "h.db")); err != nil {
		t.Error(err)
	}
	if code, _, stderr := run(t, append(env, "HOOKSWITCH_SERVER="+url), "", "webhooks", "list"); code != 0 {
		t.Errorf("the command does not find the key: %s", stderr)
	}
	code, stdout, stderr := run(t, env, "", "config")
	if code != 0 || !strings.Contains(stdout, "environment HOOKSWITCH_ADMIN_KEY_FILE") || strings.Contains(stdout+stderr+p.stderr.String(), adminKey) {
		t.Errorf("config says %d, %s%s", code, stdout, stderr)
	}
	if code, _, stderr := run(t, []string{"HOOKSWITCH_ADMIN_KEY_FILE=" + filepath.Join(dir, "none")}, "", "webhooks", "list"); code != 2 || !strings.Contains(stderr, "HOOKSWITCH_ADMIN_KEY_FILE") {
		t.Errorf("with a file that is not there: %d, %s", code, stderr)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("the server ended with %d", code)
	}
}
