package cli_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/pgtest"
	"github.com/hookswitch/hookswitch/internal/seal"
	"github.com/hookswitch/hookswitch/internal/trace/tracetest"
)

// What a run writes, and to whom.
const (
	placeLog         = "the server's output"
	placeMetrics     = "metrics"
	placeSpans       = "spans"
	placeMail        = "e-mails"
	placeNotices     = "notices"
	placeAudit       = "the audit log"
	placeLists       = "lists and attempts"
	placeWebhook     = "a webhook as it is shown"
	placeMade        = "the answer that makes a secret"
	placeRefused     = "answers that refuse"
	placeClients     = "errors of client commands"
	placeStore       = "the store and its copies"
	placeProcessList = "the process list"
)

// runSecrets are the secrets of a run, each with the places where it may be seen; everywhere else it is a leak. The values are made up anew
// for each run. What is given to a server or a command is in the line of its use, below.
func runSecrets() map[string][]string {
	return map[string][]string{
		"admin key":                           nil,
		"master keyset":                       nil,
		"database password":                   nil,
		"password of the mail server":         nil,
		"app secret that was given":           {placeMade, placeStore}, // in the answer that is kept for a repetition, until answers are sealed
		"app secret from the environment":     {placeMade},
		"app secret in a file of settings":    {placeMade},
		"app secret that was generated":       {placeMade},
		"next app secret":                     {placeMade},
		"next app secret that was generated":  {placeMade},
		"value of a header":                   {placeWebhook, placeMade},
		"value of an Authorization header":    {placeWebhook, placeMade},
		"value in the query of a URL":         {placeWebhook, placeMade, placeStore}, // it is a part of the address
		"token in a redirect":                 nil,
		"wrong key in a header":               nil,
		"wrong key as a bearer token":         nil,
		"wrong key in a query":                {placeRefused}, // who sent it is told what is wrong with it
		"wrong key in a path":                 {placeRefused},
		"wrong key of a client command":       nil,
		"secret of the wrong type":            nil,
		"secret in broken JSON":               nil,
		"secret in an unknown field":          nil,
		"secret of a refused webhook":         nil,
		"header of a refused webhook":         nil,
		"password in a refused URL":           nil,
		"secret of a repetition that differs": nil,
		"key of a signature that is checked":  nil,
		"database password of a command":      nil,
		"admin key in a broken configuration": nil,
		"mail password that is refused":       nil,
	}
}

// leakRun is one server with all that happens to it.
type leakRun struct {
	*testing.T
	secrets map[string]string
	places  map[string][]byte
	dir     string
	// url is the server's, database what it stores in, and env what client commands get.
	url, database string
	env           []string
}

func newLeakRun(t *testing.T) *leakRun {
	r := &leakRun{T: t, secrets: map[string]string{}, places: map[string][]byte{}, dir: t.TempDir()}
	for name := range runSecrets() {
		r.secrets[name] = "aZ." + rand.Text() + "~" + rand.Text()
	}
	return r
}

func (r *leakRun) of(name string) string {
	r.Helper()
	value, ok := r.secrets[name]
	if !ok {
		r.Fatalf("%q is no secret of the table", name)
	}
	return value
}

// wrote notes what was written to a place.
func (r *leakRun) wrote(place string, text ...string) {
	for _, t := range text {
		r.places[place] = append(append(r.places[place], t...), '\n')
	}
}

// hookswitch runs a command as a process, notes its output, and returns what it printed.
func (r *leakRun) hookswitch(place string, code int, env []string, args ...string) string {
	r.Helper()
	cmd := exec.CommandContext(r.Context(), "hookswitch", args...)
	// The race detector would have each of many processes sleep for a second at its end.
	cmd.Dir, cmd.Env = r.dir, append(append(append(os.Environ(), "GORACE=atexit_sleep_ms=0"), r.env...), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		r.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		r.Errorf("%s ended with %d, want %d: %s%s", strings.Join(args, " "), got, code, stdout.String(), stderr.String())
	}
	r.wrote(place, stdout.String())
	r.wrote(placeClients, stderr.String())
	r.wrote(placeProcessList, strings.Join(args, " "))
	return stdout.String()
}

// request sends a request, notes the answer and returns its body; the key is the server's unless a header says otherwise.
func (r *leakRun) request(place, method, path, body string, header ...string) string {
	r.Helper()
	q, err := http.NewRequestWithContext(r.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	q.Header.Set("X-Api-Key", r.of("admin key"))
	q.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		r.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		r.Fatal(err)
	}
	var headers bytes.Buffer
	if err := answer.Header.Write(&headers); err != nil {
		r.Fatal(err)
	}
	r.wrote(place, answer.Status, headers.String(), string(raw))
	if refused := answer.StatusCode >= 400; refused != (place == placeRefused) {
		r.Errorf("%s %s is answered %s: %s", method, path, answer.Status, raw)
	}
	return string(raw)
}

// serve starts the server as a process of its own, with its secrets in the environment.
func (r *leakRun) serve(format, collector string, smtp *url.URL) (*exec.Cmd, *output, chan error) {
	r.Helper()
	keyset, err := seal.New()
	if err != nil {
		r.Fatal(err)
	}
	text, err := keyset.Encode()
	if err != nil {
		r.Fatal(err)
	}
	// The key itself, as Tink's JSON has it.
	r.secrets["master keyset"] = regexp.MustCompile(`"value":\s*"([^"]+)"`).FindStringSubmatch(string(text))[1]
	cmd := exec.CommandContext(r.Context(), "hookswitch", "serve", "--listen", "127.0.0.1:0", "--allow-private-targets", "127.0.0.0/8",
		"--log-level", "debug", "--log-format", format, "--otlp-endpoint", collector, "--smtp-from", "hookswitch@example.com", "--notice-quiet", "1m")
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "HOOKSWITCH_ADMIN_KEY="+r.of("admin key"), "HOOKSWITCH_MASTER_KEYSET="+string(text),
		"HOOKSWITCH_DATABASE="+r.database, "HOOKSWITCH_SMTP="+smtp.String())
	log := new(output)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		r.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	listening := regexp.MustCompile(`(?:msg=listening url=|"msg":"listening","url":")(http://[^\s"]+)`)
	for r.url == "" {
		text, grown := log.state()
		if m := listening.FindStringSubmatch(text); m != nil {
			r.url = m[1]
			break
		}
		select {
		case <-grown:
		case err := <-ended:
			r.Fatalf("the server ended: %v\n%s", err, log.String())
		}
	}
	r.env = []string{"HOOKSWITCH_ADMIN_KEY=" + r.of("admin key"), "HOOKSWITCH_SERVER=" + r.url}
	return cmd, log, ended
}

// echo is a receiver that repeats all that it was sent, and answers as its path says.
func (r *leakRun) echo() string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/redirect" {
			w.Header().Set("Location", "https://elsewhere.example/?token="+r.of("token in a redirect"))
			w.WriteHeader(http.StatusFound)
			return
		}
		if q.URL.Path == "/fails" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		var headers bytes.Buffer
		if err := q.Header.Write(&headers); err != nil {
			r.Error(err)
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"url": q.RequestURI, "headers": q.Header, "text": headers.String()}); err != nil {
			r.Error(err)
		}
	}))
	r.Cleanup(server.Close)
	return server.URL
}

// created returns the secret and the id of an answer that makes a secret.
func (r *leakRun) created(answer string) (id, secret string) {
	r.Helper()
	var made struct{ ID, Secret, NextSecret string }
	if err := json.Unmarshal([]byte(answer), &made); err != nil || made.ID == "" {
		r.Fatalf("%v: %s", err, answer)
	}
	return made.ID, made.Secret + made.NextSecret
}

// webhooks makes webhooks with secrets in every way in which a secret can be given, and returns their ids.
func (r *leakRun) webhooks(echo string) []string {
	r.Helper()
	file := func(name, text string) string {
		path := filepath.Join(r.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			r.Fatal(err)
		}
		return path
	}
	settings, err := json.Marshal(map[string]any{
		"url": echo + "/fails?token=" + r.of("value in the query of a URL"), "secret": r.of("app secret in a file of settings"), "retry": map[string]any{"attempts": 0},
		"headers": map[string]string{"X-Token": r.of("value of a header"), "Authorization": "Bearer " + r.of("value of an Authorization header")},
	})
	if err != nil {
		r.Fatal(err)
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	create := []string{"webhooks", "create", "--json", "--retry-attempts", "0", "--circuit-failures", "1", "--url"}
	var ids []string
	var secret string
	for i, made := range []string{
		r.hookswitch(placeMade, 0, nil, "webhooks", "create", "--json", "--file", file("settings.json", string(settings))),
		r.hookswitch(placeMade, 0, nil, append(create, echo+"/redirect", "--secret-file", file("app.secret", r.of("app secret that was given")))...),
		r.hookswitch(placeMade, 0, []string{"HOOKSWITCH_SECRET=" + r.of("app secret from the environment")}, append(create, closed.URL)...),
		r.hookswitch(placeMade, 0, nil, append(create, strings.Replace(echo, "http:", "https:", 1))...),
		r.hookswitch(placeMade, 0, []string{"HOOKSWITCH_SECRET=" + r.of("app secret from the environment")}, "webhooks", "create", "--json", "--purpose", "notices", "--url", "mailto:ops@example.com"),
		r.hookswitch(placeMade, 0, []string{"HOOKSWITCH_SECRET=" + r.of("app secret from the environment")}, "webhooks", "create", "--json", "--purpose", "notices", "--url", echo),
	} {
		id, shown := r.created(made)
		ids = append(ids, id)
		if i == 3 {
			secret = shown
		}
	}
	r.secrets["app secret that was generated"] = secret
	next := file("next.secret", r.of("next app secret"))
	r.hookswitch(placeMade, 0, nil, "webhooks", "secrets", "next", ids[0], "--secret-file", next, "--json")
	made := r.hookswitch(placeMade, 0, nil, "webhooks", "secrets", "next", ids[1], "--json")
	generated := regexp.MustCompile(`"next": "([^"]+)"|"nextSecret": "([^"]+)"|"secret": "([^"]+)"`).FindStringSubmatch(made)
	if generated == nil {
		r.Fatalf("no secret in %s", made)
	}
	r.secrets["next app secret that was generated"] = strings.Join(generated[1:], "")
	r.hookswitch(placeWebhook, 0, nil, "webhooks", "secrets", "promote", ids[0])
	body := `{"url":"https://a.example","secret":"` + r.of("app secret that was given") + `"}`
	for range 2 {
		r.request(placeMade, http.MethodPost, "/v1/webhooks", body, "Idempotency-Key", "once")
	}
	return ids
}

// refused makes every kind of request that is refused, with a secret in it.
func (r *leakRun) refused() {
	wrong := func(name string, place string) { // a key in its place
		header, path := []string{"X-Api-Key", ""}, "/v1/webhooks"
		switch place {
		case "query":
			path += "?api_key=" + r.of(name) + "&key=" + r.of(name)
		case "path":
			header, path = nil, path+"/"+r.of(name)
		case "Authorization":
			header = append(header, place, "Bearer "+r.of(name))
		default:
			header[1] = r.of(name)
		}
		r.request(placeRefused, http.MethodGet, path, "", header...)
	}
	wrong("wrong key in a header", "")
	wrong("wrong key as a bearer token", "Authorization")
	wrong("wrong key in a query", "query")
	wrong("wrong key in a path", "path")
	r.request(placeRefused, http.MethodGet, "/v1/interactions?state="+r.of("wrong key in a query")+"&cursor="+r.of("wrong key in a query"), "")
	for name, body := range map[string]string{
		"secret of the wrong type":    `{"url":"https://a.example","secret":["%s"],"headers":"%[1]s"}`,
		"secret in broken JSON":       `{"url":"https://a.example","secret":"%s",`,
		"secret in an unknown field":  `{"url":"https://a.example","secrets":"%s","retry":{"password":"%[1]s"}}`,
		"secret of a refused webhook": `{"url":"https://a.example","secret":"%s","requestTimeout":"1h"}`,
		"header of a refused webhook": `{"url":"https://a.example","headers":{"Host":"%s","X-Token":"%[1]s\n"}}`,
		"password in a refused URL":   `{"url":"https://user:%s@a.example"}`,
	} {
		r.request(placeRefused, http.MethodPost, "/v1/webhooks", fmt.Sprintf(body, r.of(name)))
	}
	r.request(placeRefused, http.MethodPost, "/v1/webhooks", `{"url":"https://a.example","secret":"`+r.of("secret of a repetition that differs")+`"}`, "Idempotency-Key", "once")
	r.request(placeRefused, http.MethodPost, "/v1/webhooks", `"`+strings.Repeat(r.of("secret in broken JSON"), 40_000)+`"`) // more than is read

	r.hookswitch(placeClients, 5, []string{"HOOKSWITCH_API_KEY=" + r.of("wrong key of a client command")}, "webhooks", "list")
	r.hookswitch(placeClients, 6, []string{"HOOKSWITCH_SERVER=http://127.0.0.1:1"}, "webhooks", "list")
	r.hookswitch(placeClients, 1, []string{"HOOKSWITCH_DATABASE=postgres://u:" + r.of("database password of a command") + "@127.0.0.1:1/x?sslmode=never"}, "migrate", "status")
	r.hookswitch(placeClients, 6, []string{"HOOKSWITCH_DATABASE=postgres://u:" + r.of("database password of a command") + "@127.0.0.1:1/x"}, "migrate", "status")
	if err := os.WriteFile(filepath.Join(r.dir, "broken.yaml"), []byte("admin-key: {"+r.of("admin key in a broken configuration")+"}\nlisten: here\n"), 0o600); err != nil {
		r.Fatal(err)
	}
	broken := []string{"HOOKSWITCH_SMTP=smtp://u:" + r.of("mail password that is refused") + "@mail.example?starttls=none", "HOOKSWITCH_CONFIG=broken.yaml"}
	r.hookswitch(placeClients, 2, broken, "serve")
	r.hookswitch(placeClients, 2, broken, "config")
}

// signatures checks one, and makes one, with a secret from the environment.
func (r *leakRun) signatures() {
	env := []string{"HOOKSWITCH_SECRET=" + r.of("key of a signature that is checked")}
	if err := os.WriteFile(filepath.Join(r.dir, "body.json"), []byte(`{"a":1}`), 0o600); err != nil {
		r.Fatal(err)
	}
	r.hookswitch(placeClients, 0, env, "sign", "body.json")
	r.hookswitch(placeClients, 1, env, "verify", "body.json", "--header", "X-Hub-Signature: sha1=0123456789012345678901234567890123456789")
}

// read looks at all that can be looked at.
func (r *leakRun) read(ids []string) {
	r.hookswitch(placeAudit, 0, nil, "audit", "list", "--json", "--all")
	r.hookswitch(placeNotices, 0, nil, "notices", "list", "--json", "--all")
	deliveries := r.hookswitch(placeLists, 0, nil, "deliveries", "list", "--json", "--all")
	for _, m := range regexp.MustCompile(`"id": "([^"]+)"`).FindAllStringSubmatch(deliveries, -1) {
		r.hookswitch(placeLists, 0, nil, "deliveries", "get", m[1], "--json")
	}
	for _, path := range []string{"/v1/interactions", "/v1/events", "/v1/replays", "/v1/contact-centers", "/openapi.json", "/docs", "/readyz", "/healthz"} {
		r.request(placeLists, http.MethodGet, path, "")
	}
	r.request(placeMetrics, http.MethodGet, "/metrics", "")
	r.hookswitch(placeWebhook, 0, nil, "webhooks", "list", "--json")
	for _, id := range ids {
		r.hookswitch(placeWebhook, 0, nil, "webhooks", "get", id)
		r.hookswitch(placeWebhook, 0, nil, "webhooks", "get", id, "--json")
	}
	r.hookswitch(placeLog, 0, []string{"HOOKSWITCH_DATABASE=" + r.database}, "config")
	r.hookswitch(placeLog, 0, []string{"HOOKSWITCH_DATABASE=" + r.database}, "migrate", "status")
}

// readFiles reads the files of the store and of its backup. A backup of PostgreSQL is an SQLite file too, so what its tables hold is there.
func (r *leakRun) readFiles() {
	files, err := filepath.Glob(filepath.Join(r.dir, "*.db*"))
	if err != nil || len(files) == 0 {
		r.Fatalf("no files of the store: %v", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.Fatal(err)
		}
		r.wrote(placeStore, string(raw))
	}
}

// await waits until the output holds a text.
func (o *output) await(t *testing.T, text string) {
	t.Helper()
	limit := time.After(awaitMax)
	for {
		all, grown := o.state()
		if strings.Contains(all, text) {
			return
		}
		select {
		case <-grown:
		case <-limit:
			t.Fatalf("no %q in\n%s", text, all)
		}
	}
}

// forms are what a secret looks like: as it is, in hexadecimal digits, and in base64 wherever it begins. Halves are looked for, so that a
// part that was escaped, cut or left out hides nothing.
func forms(secret string) [][]byte {
	var all [][]byte
	for _, part := range []string{secret[:len(secret)/2], secret[len(secret)/2:]} {
		h := hex.EncodeToString([]byte(part))
		all = append(all, []byte(part), []byte(url.QueryEscape(part)), []byte(h), []byte(strings.ToUpper(h)))
		for before := range 3 {
			text := append(make([]byte, before), part...)
			from, to := (before*8+5)/6, len(text)*8/6
			all = append(all, []byte(base64.RawStdEncoding.EncodeToString(text)[from:to]), []byte(base64.RawURLEncoding.EncodeToString(text)[from:to]))
		}
	}
	return all
}

// leaks says which secrets are where they may not be.
func (r *leakRun) leaks() []string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(runSecrets())) {
		for place, text := range r.places {
			for _, form := range forms(r.secrets[name]) {
				if at := bytes.Index(text, form); at >= 0 && !slices.Contains(runSecrets()[name], place) {
					found = append(found, fmt.Sprintf("%s is in %s: …%q…", name, place, text[max(0, at-200):min(len(text), at+len(form)+80)]))
					break
				}
			}
		}
	}
	return found
}

// No secret leaves the places where it belongs: a server with every kind of secret is used, misused and ended, as processes of their own, and
// then all that they wrote is searched for each secret.
func TestNoSecretLeaks(t *testing.T) {
	for name, format := range map[string]string{"sqlite": "json", "postgres": "text"} {
		t.Run(name, func(t *testing.T) {
			r := newLeakRun(t)
			box, address := startMailbox(t)
			smtp := &url.URL{Scheme: "smtp", Host: address, RawQuery: "starttls=none"}
			r.database = filepath.Join(r.dir, "h.db")
			if name == "postgres" {
				u, err := url.Parse(pgtest.Database(t))
				if err != nil {
					t.Fatal(err)
				}
				u.User = url.UserPassword(u.User.Username(), r.of("database password"))
				r.database = u.String()
				// This mail server has no TLS, without which no password is sent: the e-mails fail.
				smtp.User, smtp.RawQuery = url.UserPassword("hookswitch", r.of("password of the mail server")), ""
			}
			collector := tracetest.New(t)
			cmd, log, ended := r.serve(format, collector.URL, smtp)
			if runtime.GOOS == "linux" {
				line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid))
				if err != nil || len(line) == 0 {
					t.Fatalf("read the process list: %v", err)
				}
				r.wrote(placeProcessList, string(line))
			}
			ids := r.webhooks(r.echo())
			for _, id := range ids[:2] {
				r.hookswitch(placeLists, 1, nil, "webhooks", "test", id)
				r.hookswitch(placeLists, 1, nil, "webhooks", "test", id, "--json")
			}
			for range 2 {
				r.hookswitch(placeLists, 0, nil, "interactions", "create", "--queue", "q", "--idempotency-key", "one interaction")
			}
			r.refused()
			r.signatures()
			if name == "sqlite" {
				select { // that a circuit has opened, or that a delivery was given up
				case m := <-box:
					body, err := io.ReadAll(m.Body)
					if err != nil {
						t.Fatal(err)
					}
					r.wrote(placeMail, fmt.Sprint(m.Header), string(body))
				case <-time.After(awaitMax):
					t.Fatalf("no e-mail came\n%s", log.String())
				}
			}
			log.await(t, "delivery exhausted")
			r.hookswitch(placeLog, 0, []string{"HOOKSWITCH_DATABASE=" + r.database}, "backup", "--to", filepath.Join(r.dir, "backup.db"))
			r.hookswitch(placeWebhook, 0, nil, "webhooks", "update", ids[0], "--description", "changed", "--retry-attempts", "1")
			r.hookswitch(placeWebhook, 0, nil, "webhooks", "disable", ids[1])
			r.read(ids)

			// A dump of all goroutines, as an operator makes one of a server that hangs.
			if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err == nil {
				t.Error("the server ended as if it had not been killed")
			}
			if !strings.Contains(log.String(), "goroutine ") {
				t.Error("there is no dump of the goroutines")
			}
			r.wrote(placeLog, log.String())
			for _, s := range collector.Spans() {
				r.wrote(placeSpans, s.String())
			}
			r.readFiles()
			for _, leak := range r.leaks() {
				t.Error(leak)
			}
		})
	}
}
