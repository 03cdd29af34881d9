package config_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hookswitch/hookswitch/internal/config"
)

// from makes sources of plain maps and, where text is not empty, a file.
func from(t *testing.T, flags, env map[string]string, text string) config.Sources {
	t.Helper()
	s := config.Sources{Flag: lookup(flags), Env: lookup(env)}
	if text != "" {
		s.File = filepath.Join(t.TempDir(), "hookswitch.yaml")
		if err := os.WriteFile(s.File, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func lookup(m map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		text, ok := m[name]
		return text, ok
	}
}

func TestDefaults(t *testing.T) {
	c, err := config.Load(from(t, nil, nil, ""))
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.Listen, c.Database, c.PublicURL, c.Access.AdminKey.Reveal(), len(c.Targets.AllowPrivate), c.Log, c.DrainTimeout, c.Lease, c.Retention, c.Traces, c.Metrics.Webhooks, c.NoticeQuiet}
	want := []any{
		"127.0.0.1:8480", "hookswitch.db", "", "", 0,
		config.Log{Format: "text", Level: "info"},
		15 * time.Second, 90 * time.Second, 2160 * time.Hour,
		config.Traces{Sample: 1},
		100, time.Hour,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, s := range c.Settings() {
		if s.Origin != "default" {
			t.Errorf("%s comes from %s", s.Name, s.Origin)
		}
	}
}

func TestPrecedence(t *testing.T) {
	flag := map[string]string{"listen": ":1"}
	env := map[string]string{"HOOKSWITCH_LISTEN": ":2"}
	file := "# first\nlisten: :3\n"
	tests := []struct {
		name       string
		flags, env map[string]string
		file       string
		want       string
		origin     string
	}{
		{"flag over all", flag, env, file, ":1", "flag --listen"},
		{"environment over file", nil, env, file, ":2", "environment HOOKSWITCH_LISTEN"},
		{"file over default", nil, nil, file, ":3", "hookswitch.yaml:2"},
		{"default", nil, nil, "", "127.0.0.1:8480", "default"},
		{"an empty variable is none", nil, map[string]string{"HOOKSWITCH_LISTEN": ""}, file, ":3", "hookswitch.yaml:2"},
		{"an empty text in the file is none", nil, nil, "listen:\n", "127.0.0.1:8480", "default"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := config.Load(from(t, tt.flags, tt.env, tt.file))
			if err != nil {
				t.Fatal(err)
			}
			if c.Listen != tt.want {
				t.Errorf("listen is %q, want %q", c.Listen, tt.want)
			}
			if got := c.Settings()[0].Origin; !strings.HasSuffix(got, tt.origin) {
				t.Errorf("origin is %q, want %q", got, tt.origin)
			}
		})
	}
}

func TestEveryKeyFromEveryPlace(t *testing.T) {
	values := map[string]string{
		"listen": "[::1]:9000", "database": "sqlite:/var/lib/h.db", "public-url": "https://hookswitch.example/base",
		"admin-key": "a-key-of-some-length", "allow-private-targets": "10.0.0.0/8,127.0.0.1", "log-format": "json",
		"log-level": "debug", "drain-timeout": "1m", "lease": "2m", "retention": "720h",
		"otlp-endpoint": "http://127.0.0.1:4318", "trace-sample": "0.25", "metrics-webhooks": "7",
		"smtp": "smtp://user:p%40ss@mail.example:2525", "smtp-from": "Hookswitch <hookswitch@example.com>",
		"egress-proxy": "socks5://user:p%40ss@proxy.example", "egress-proxy-except": "10.20.0.0/16,fd00::/8",
		"notice-quiet": "5m", "master-keyset": "a keyset", "master-keyset-file": "/etc/hookswitch/keyset",
		"oidc-issuer": "https://login.example.com/realms/main/", "oidc-audience": "hookswitch", "oidc-center-claim": "org.ccid",
		"oidc-permissions-claim": "realm_access.roles", "oidc-permissions-prefix": "hookswitch:", "oidc-ca-file": "/etc/hookswitch/ca.pem",
		"oidc-client-id": "console", "oidc-client-secret": "a client's secret", "oidc-scopes": "openid,profile hookswitch",
		"tls-cert": "/etc/hookswitch/tls.crt", "tls-key": "/etc/hookswitch/tls.key", "operations-listen": "127.0.0.1:9480",
		"connections-max": "5000", "connections-per-address-max": "2500", "requests-max": "99",
	}
	want := []any{
		"[::1]:9000", "sqlite:/var/lib/h.db", "https://hookswitch.example/base", "a-key-of-some-length",
		"10.0.0.0/8 127.0.0.1/32",
		config.Log{Format: "json", Level: "debug"},
		time.Minute, 2 * time.Minute, 720 * time.Hour,
		"http://127.0.0.1:4318", 0.25, 7,
		"mail.example 2525 required user p@ss", `"Hookswitch" <hookswitch@example.com>`,
		5 * time.Minute, "a keyset", "/etc/hookswitch/keyset", "socks5 proxy.example:1080 user p@ss", "10.20.0.0/16 fd00::/8",
		config.OIDC{
			Issuer: "https://login.example.com/realms/main/", Audience: "hookswitch", CenterClaim: "org.ccid",
			PermissionsClaim: "realm_access.roles", PermissionsPrefix: "hookswitch:", CAFile: "/etc/hookswitch/ca.pem",
		},
		"console", "a client's secret",
		[]string{"openid", "profile", "hookswitch"},
		config.ServerTLS{Cert: "/etc/hookswitch/tls.crt", Key: "/etc/hookswitch/tls.key"},
		"127.0.0.1:9480",
		config.Limits{Connections: 5000, ConnectionsPerAddress: 2500, Requests: 99},
	}
	env, file := map[string]string{}, strings.Builder{}
	for _, k := range config.Keys() {
		if values[k.Name] == "" {
			t.Fatalf("%s is missing in this test", k.Name)
		}
		env[k.Env] = values[k.Name]
		file.WriteString(k.Name + ": \"" + values[k.Name] + "\"\n")
	}
	for name, s := range map[string]config.Sources{
		"flags": from(t, values, nil, ""), "environment": from(t, nil, env, ""), "file": from(t, nil, nil, file.String()),
	} {
		t.Run(name, func(t *testing.T) {
			c, err := config.Load(s)
			if err != nil {
				t.Fatal(err)
			}
			got := []any{
				c.Listen, c.Database, c.PublicURL, c.Access.AdminKey.Reveal(), join(c.Targets.AllowPrivate), c.Log, c.DrainTimeout, c.Lease, c.Retention,
				c.Traces.Endpoint.String(), c.Traces.Sample, c.Metrics.Webhooks, described(c.Mail.Server), c.Mail.From.String(),
				c.NoticeQuiet, c.Master.Keyset.Reveal(), c.Master.File,
				fmt.Sprintf("%s %s:%d %s %s", c.Targets.Proxy.Scheme, c.Targets.Proxy.Host, c.Targets.Proxy.Port, c.Targets.Proxy.User, c.Targets.Proxy.Password.Reveal()), join(c.Targets.Direct),
				c.Access.OIDC,
				c.Access.SignIn.ClientID, c.Access.SignIn.ClientSecret.Reveal(), c.Access.SignIn.Scopes,
				c.TLS, c.Operations, c.Limits,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func described(s *config.MailServer) string {
	if s == nil {
		return "none"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %d %s %s %s", s.Host, s.Port, s.TLS, s.User, s.Password.Reveal()))
}

func join(list []netip.Prefix) string {
	var texts []string
	for _, p := range list {
		texts = append(texts, p.String())
	}
	return strings.Join(texts, " ")
}

func TestFileForms(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"flow list", "allow-private-targets: [10.0.0.0/8, 127.0.0.1]", "10.0.0.0/8 127.0.0.1/32"},
		{"block list", "allow-private-targets:\n  - 10.0.0.0/8\n  - \"::1\"\n", "10.0.0.0/8 ::1/128"},
		{"text", "allow-private-targets: 10.0.0.0/8, fd00::/8", "10.0.0.0/8 fd00::/8"},
		{"nothing but comments", "# a comment\n", ""},
		{"mapped address", "allow-private-targets: [\"::ffff:10.1.2.3\"]", "10.1.2.3/32"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := config.Load(from(t, nil, nil, tt.file))
			if err != nil {
				t.Fatal(err)
			}
			if got := join(c.Targets.AllowPrivate); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestBadValues(t *testing.T) {
	tests := []struct{ key, text, want string }{
		{"listen", "8480", `"8480" is not host:port`},
		{"listen", "localhost:http", "port"},
		{"listen", ":70000", "from 0 to 65535"},
		{"database", "postgres:hooks", "is not a PostgreSQL URL, such as postgres://user@host:5432/database"},
		{"database", "postgres://u:p4@ss@h/d", "has more than one @"},
		{"database", "mysql:db", "unknown scheme"},
		{"database", "sqlite:", "names no path behind its scheme"},
		{"public-url", "hookswitch.example", "is not an absolute http or https URL"},
		{"public-url", "ftp://hookswitch.example", "is not an absolute http or https URL"},
		{"public-url", "https://a:b@hookswitch.example", "user name"},
		{"public-url", "https://hookswitch.example/?q=1", "query"},
		{"public-url", "https://hookswitch.example/" + strings.Repeat("x", 1024), "at most 1024"},
		{"admin-key", "short", "is 5 bytes long; 16 to 256 are allowed"},
		{"admin-key", "a key with spaces in it", "holds a space"},
		{"oidc-issuer", "login.example.com", "is not an https URL, such as"},
		{"oidc-issuer", "http://login.example.com", "must begin with https"},
		{"oidc-issuer", "https://login.example.com/?realm=x", "must not contain a user name, a query"},
		{"oidc-issuer", "https://a:b@login.example.com", "must not contain a user name, a query"},
		{"oidc-issuer", "https://login.example.com/" + strings.Repeat("x", 1024), "at most 1024"},
		{"oidc-audience", strings.Repeat("x", 1025), "at most 1024"},
		{"oidc-center-claim", "a b", "holds a space"},
		{"oidc-permissions-claim", strings.Repeat("x", 257), "at most 256"},
		{"oidc-permissions-prefix", "a\"", "a quote"},
		{"oidc-client-id", strings.Repeat("x", 1025), "at most 1024"},
		{"oidc-client-id", "konsole\u00a0", "not visible ASCII"},
		{"oidc-client-secret", "Geheimnis-\u00fc", "not visible ASCII"},
		{"oidc-scopes", "profile,email", "must have the scope openid"},
		{"oidc-scopes", `openid "x"`, "a quote"},
		{"oidc-scopes", "openid," + strings.Repeat("x", 257), "at most 256"},
		{"oidc-scopes", "openid" + strings.Repeat(" x", 32), "at most 32"},
		{"allow-private-targets", "10.0.0.0/8,ten", `holds "ten"`},
		{"allow-private-targets", "10.1.0.0/8", "write 10.0.0.0/8"},
		{"allow-private-targets", strings.Repeat("127.0.0.1,", 257), "at most 256"},
		{"log-format", "xml", "must be one of text, json"},
		{"log-level", "loud", "must be one of debug, info, warn, error"},
		{"drain-timeout", "15", "is not a duration such as"},
		{"drain-timeout", "-1s", "must be from 0s to 10m"},
		{"lease", "1999ms", "must be from 2s to 10m"},
		{"lease", "10m1ms", "must be from 2s to 10m"},
		{"otlp-endpoint", "127.0.0.1:4318", "is not an absolute http or https URL, such as http://127.0.0.1:4318"},
		{"otlp-endpoint", "http://a:b@c", "must not contain a user name or password: put credentials into OTEL_EXPORTER_OTLP_HEADERS"},
		{"otlp-endpoint", "http://c?x", "must not contain a query (?…) or a fragment (#…)"},
		{"trace-sample", "1.5", "is not a number from 0 to 1, such as 0.1"},
		{"trace-sample", "NaN", "is not a number from 0 to 1, such as 0.1"},
		{"notice-quiet", "59s", "must be from 1m to 24h"},
		{"metrics-webhooks", "-1", "must be a whole number from 0 to 10000"},
		{"metrics-webhooks", "10001", "must be a whole number from 0 to 10000"},
		{"metrics-webhooks", "many", "must be a whole number from 0 to 10000"},
		{"retention", "59m", "must be from 1h to 876000h; or 0"},
		{"smtp", "mail.example:25", "is not a mail server's URL, such as smtp://"},
		{"smtp", "http://mail.example", "is not a mail server's URL, such as smtp://"},
		{"smtp", "smtp://user:p/ss@mail.example", "%2F"},
		{"smtp", "smtp://mail.example:0", "port that is not a number from 1 to 65535"},
		{"smtp", "smtp://mail.example/x", "must end with the host or its port"},
		{"smtp", "smtp://mail.example?tls=none", "takes no other parameter"},
		{"smtp", "smtp://mail.example?starttls=never", "takes no other parameter"},
		{"smtp", "smtps://mail.example?starttls=none", "TLS from the start"},
		{"smtp", "smtp://user@mail.example", "both a user and a password"},
		{"smtp", "smtp://user:pass@127.0.0.1:25?starttls=none", "sent over TLS only"},
		{"smtp", "smtp://user:pass@127.0.0.1:25?starttls=optional", "sent over TLS only"},
		{"smtp", "smtp://user:pa%00ss@mail.example", "control character"},
		{"smtp-from", "hookswitch", "is not an address"},
		{"smtp-from", "a@example.com, b@example.com", "is not an address"},
		{"retention", "90d", "is not a duration such as 500ms, 15s or 2m; or 0"},
	}
	for _, tt := range tests {
		t.Run(tt.key+" "+tt.text[:min(len(tt.text), 20)], func(t *testing.T) {
			_, err := config.Load(from(t, map[string]string{tt.key: tt.text}, nil, ""))
			problems := problemsOf(t, err)
			if len(problems) != 1 || problems[0].Key != tt.key || problems[0].Origin != "flag --"+tt.key || !strings.Contains(problems[0].Message, tt.want) {
				t.Errorf("got %+v, want one problem with %q", problems, tt.want)
			}
		})
	}
}

func problemsOf(t *testing.T, err error) []config.Problem {
	t.Helper()
	var invalid *config.Error
	if !errors.As(err, &invalid) {
		t.Fatalf("got %v, want a *config.Error", err)
	}
	return invalid.Problems
}

func TestAllProblemsAtOnce(t *testing.T) {
	s := from(t, map[string]string{"lease": "1s"}, map[string]string{"HOOKSWITCH_LISTEN": "nowhere"},
		"listn: :1\nlog-level: loud\nPublic_URL: x\ncolour: red\ndrain-timeout: [1s]\n")
	_, err := config.Load(s)
	var got []string
	for _, p := range problemsOf(t, err) {
		got = append(got, p.Key+" | "+strings.TrimPrefix(p.Origin, filepath.Dir(s.File)+string(filepath.Separator)))
	}
	want := []string{
		"listn | hookswitch.yaml:1", "Public_URL | hookswitch.yaml:3", "colour | hookswitch.yaml:4", "drain-timeout | hookswitch.yaml:5",
		"listen | environment HOOKSWITCH_LISTEN", "log-level | hookswitch.yaml:2", "lease | flag --lease",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, text := range []string{"did you mean listen?", "did you mean public-url?", ">  1 | listn: :1", "hookswitch.yaml:2"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q is missing in:\n%v", text, err)
		}
	}
}

func TestBadFiles(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"not YAML", "listen: [", "the file is not YAML"},
		{"not a mapping", "- listen\n", "is not a list of lines such as"},
		{"a key twice", "listen: :1\nlisten: :2\n", "already defined"},
		{"two documents", "listen: :1\n---\nlease: 2m\n", "more than one document"},
		{"nested", "listen:\n  host: a\n", "must be a plain text"},
		{"a list of lists", "allow-private-targets: [[10.0.0.0/8]]\n", "must be a list of plain texts"},
		{"an alias", "database: &a x.db\nlisten: *a\n", "must be a plain text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Load(from(t, nil, nil, tt.file))
			if problems := problemsOf(t, err); !strings.Contains(problems[0].Message, tt.want) {
				t.Errorf("got %+v, want %q", problems, tt.want)
			}
		})
	}
	t.Run("no file", func(t *testing.T) {
		s := from(t, nil, nil, "")
		s.File = filepath.Join(t.TempDir(), "absent.yaml")
		_, err := config.Load(s)
		if p := problemsOf(t, err)[0]; p.Origin != s.File || p.Message != "the file cannot be read: no such file or directory" {
			t.Errorf("got %+v", p)
		}
	})
	t.Run("too large", func(t *testing.T) {
		_, err := config.Load(from(t, nil, nil, strings.Repeat("#\n", config.FileBytesMax)))
		if p := problemsOf(t, err)[0]; !strings.Contains(p.Message, "larger than") {
			t.Errorf("got %+v", p)
		}
	})
}

func TestSecretsAreShownNowhere(t *testing.T) {
	const secret = "hsk_open sesame, open sesame"
	for name, s := range map[string]config.Sources{
		"a bad value":           from(t, map[string]string{"admin-key": secret}, nil, ""),
		"an excerpt beside it":  from(t, nil, nil, "admin-key: "+secret+"\nlistn: :1\n"),
		"an excerpt of itself":  from(t, nil, nil, "\"admin-key\": ["+secret+"]\n"),
		"a bad mail server":     from(t, map[string]string{"smtp": "smtp://user:" + strings.ReplaceAll(secret, " ", "%20") + "@mail.example:0"}, nil, ""),
		"a file that is broken": from(t, nil, nil, "admin-key: "+secret+"\nlisten: [\n"),
		"a key misspelt":        from(t, nil, nil, "adminkey: "+secret+"\n"),
		"a key of nothing":      from(t, nil, nil, "password: "+secret+"\n"),
		"a key on many lines":   from(t, nil, nil, "master-keyset: |\n  {\n  \"value\":\n  \""+secret+"\"\n  }\nlistn: :1\n"),
		"a file that is a key":  from(t, nil, nil, secret+"\n"),
		"a list of keys":        from(t, nil, nil, "- "+secret+"\n"),
		"a quote left open":     from(t, nil, nil, "admin-key: \""+secret+"\nlisten: :1\n"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Load(s)
			if len(problemsOf(t, err)) == 0 || strings.Contains(err.Error(), "sesame") {
				t.Errorf("got %v", err)
			}
		})
	}
	c, err := config.Load(from(t, map[string]string{"admin-key": "hsk_sesame-sesame"}, nil, ""))
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.YAML()
	if err != nil || strings.Contains(text, "sesame") {
		t.Errorf("got %s, %v", text, err)
	}
}

func TestYAMLIsAConfigurationFile(t *testing.T) {
	flags := map[string]string{"public-url": "https://hookswitch.example/", "allow-private-targets": "10.0.0.0/8, ::1", "listen": "[::1]:0"}
	c, err := config.Load(from(t, flags, nil, ""))
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.YAML()
	if err != nil || !strings.Contains(text, "  # flag --public-url\n") {
		t.Fatalf("got %v\n%s", err, text)
	}
	again, err := config.Load(from(t, nil, nil, text))
	if err != nil {
		t.Fatal(err)
	}
	want := []any{c.Listen, c.Database, c.PublicURL, join(c.Targets.AllowPrivate), c.Log, c.DrainTimeout, c.Lease, c.Retention, c.NoticeQuiet}
	got := []any{again.Listen, again.Database, again.PublicURL, join(again.Targets.AllowPrivate), again.Log, again.DrainTimeout, again.Lease, again.Retention, again.NoticeQuiet}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff, text)
	}
}

func TestDefaultFileIsComplete(t *testing.T) {
	if c, err := config.Load(from(t, nil, nil, config.Default())); err != nil || c.Listen != "127.0.0.1:8480" {
		t.Fatalf("the default file is not a configuration: %v", err)
	}
	seen := 0
	for line := range strings.Lines(config.Default()) {
		if !strings.HasPrefix(line, "#") && strings.Contains(line, ":") {
			seen++
		}
	}
	if seen != len(config.Keys()) {
		t.Errorf("the default file has %d keys, the table %d", seen, len(config.Keys()))
	}
	for _, k := range config.Keys() {
		if k.Doc == "" || k.Usage() == "" || !strings.Contains(config.Default(), "\n"+k.Name+":") {
			t.Errorf("%s has no documentation in the default file", k.Name)
		}
	}
}

func TestReferenceIsFresh(t *testing.T) {
	const path = "../../docs/configuration.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.Markdown(), string(text)); diff != "" {
		t.Errorf("docs/configuration.md is stale, run `go generate ./internal/config`:\n%s", diff)
	}
}

func FuzzFile(f *testing.F) {
	f.Add(config.Default())
	f.Add("listen: :1\nadmin-key: |\n  0123456789abcdef\n")
	f.Add("? a\n: b\n--- !x\n&a *b")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Load(from(t, nil, nil, text))
		if err == nil && (c.Listen == "" || c.Database == "" || c.Lease < config.LeaseMin) {
			t.Errorf("%q gave an incomplete configuration: %+v", text, c)
		}
	})
}

// A password in a database's URL is shown nowhere: not as a value in force, not in a problem, not in the file's excerpt.
func TestHidePassword(t *testing.T) {
	for text, want := range map[string]string{
		"postgres://u:p4ss@h:5432/d":                     "postgres://u:***@h:5432/d",
		"postgres://u:p4:s/s@h,h2:5432/d?a=b":            "postgres://u:***@h,h2:5432/d?a=b",
		"postgres://u@h/d?password=p4ss&sslmode=disable": "postgres://u@h/d?password=***&sslmode=disable",
		"postgres://u@h/d?password=p4ss&sslpassword=p5":  "postgres://u@h/d?password=***&sslpassword=***",
		"postgres://u:p4@ss@h/d?a=b":                     "postgres://u:***@h/d?a=b",
		"host=h user=u password=p4ss dbname=d":           "host=h user=u password=*** dbname=d",
		"postgres://u@h/d":                               "postgres://u@h/d",
		"https://h:8480/a":                               "https://h:8480/a",
		"hookswitch.db":                                  "hookswitch.db",
	} {
		if got := config.HidePassword(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	c, err := config.Load(config.Sources{
		Env:  func(name string) (string, bool) { return "postgres://u:p4ss@h/d", name == "HOOKSWITCH_DATABASE" },
		Flag: func(string) (string, bool) { return "", false },
	})
	if err != nil || c.Database != "postgres://u:p4ss@h/d" {
		t.Fatalf("%v, %v", c, err)
	}
	if text, err := c.YAML(); err != nil || strings.Contains(text, "p4ss") {
		t.Errorf("%v, %s", err, text)
	}
	if err := c.Refuse("database", "does not exist"); strings.Contains(err.Error(), "p4ss") {
		t.Error(err)
	}
}
