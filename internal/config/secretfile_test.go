package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/internal/config"
)

// What may hold a password can stand in a file that a variable names: before the YAML file, behind the flag, and shown nowhere.
func TestSecretsFromFiles(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const key = "hsk_this-is-a-key-of-the-test"
	env := map[string]string{
		"HOOKSWITCH_ADMIN_KEY_FILE":    write("key", key+"\n", 0o440),
		"HOOKSWITCH_DATABASE_FILE":     write("url", "postgres://a:b@c/d", 0o400),
		"HOOKSWITCH_EGRESS_PROXY_FILE": write("proxy", "http://u:p@proxy.example:3128\r\n", 0o600),
		"HOOKSWITCH_SMTP_FILE":         write("smtp", "smtp://u:p@mail.example\n", 0o600),
		"HOOKSWITCH_SMTP_FROM":         "a@b.example",
	}
	c, err := config.Load(from(t, nil, env, "admin-key: another-key-of-the-test"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Access.AdminKey.Reveal() != key || c.Database != "postgres://a:b@c/d" || c.Targets.Proxy == nil || c.Mail.Server == nil {
		t.Errorf("got %+v", c)
	}
	for _, s := range c.Settings() {
		if strings.Contains(s.Value, key) || s.Name == "admin-key" && s.Origin != "environment HOOKSWITCH_ADMIN_KEY_FILE" {
			t.Errorf("%s is shown as %s, from %s", s.Name, s.Value, s.Origin)
		}
	}
	if c, err = config.Load(from(t, map[string]string{"admin-key": "the-key-of-the-flag"}, env, "")); err != nil || c.Access.AdminKey.Reveal() != "the-key-of-the-flag" {
		t.Errorf("the flag does not go first: %v", err)
	}
	for _, bad := range []struct {
		name, path, env, want string
	}{
		{"one that all may read", write("open", key, 0o644), "", "chmod 600"},
		{"one that is not there", filepath.Join(folder, "none"), "", "no such file"},
		{"one that is empty", write("empty", "\n", 0o600), "", "which is empty"},
		{"one with two lines", write("two", key+"\n"+key, 0o600), "", "more than one line"},
		{"one beside the variable", write("both", key, 0o600), "the-key-of-the-variable", "set one of the two"},
		{"one with too short a key", write("short", "short", 0o600), "", "16"},
	} {
		t.Run("refuses "+bad.name, func(t *testing.T) {
			_, err := config.Load(from(t, nil, map[string]string{"HOOKSWITCH_ADMIN_KEY_FILE": bad.path, "HOOKSWITCH_ADMIN_KEY": bad.env}, ""))
			if err == nil || !strings.Contains(err.Error(), bad.want) || !strings.Contains(err.Error(), "HOOKSWITCH_ADMIN_KEY_FILE") || strings.Contains(err.Error(), key) {
				t.Errorf("got %v, want an error about %q", err, bad.want)
			}
		})
	}
}
