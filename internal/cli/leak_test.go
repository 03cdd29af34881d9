package cli_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
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

	"github.com/hookswitch/hookswitch/internal/egress/egresstest"
	"github.com/hookswitch/hookswitch/internal/pgtest"
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
	placeWebhook     = "a webhook or key as it is shown"
	placeMade        = "the answer that makes a secret"
	placeKeysets     = "what prints a keyset"
	placeProfiles    = "profiles"
	placeMalformed   = "answers to what is no request"
	placeDatabaseLog = "the database's own log of statements"
	placeRefused     = "answers that refuse"
	placeClients     = "errors of client commands"
	placeStore       = "the store and its copies"
	placeProcessList = "the process list"
)

// runSecrets are the secrets of a run, each with the places where it may be seen; everywhere else it is a leak. The values are made up anew
// for each run. What is given to a server or a command is in the line of its use, below.
func runSecrets() map[string][]string {
	return map[string][]string{
		"admin key":                               nil,
		"master keyset":                           {placeKeysets},
		"master keyset after a rotation":          {placeKeysets},
		"master keyset that was made":             {placeKeysets},
		"key of the server's TLS":                 nil,
		"database password":                       nil,
		"password of the mail server":             nil,
		"password of the egress proxy":            nil,
		"credential of the collector":             nil,
		"app secret that was given":               {placeMade},
		"app secret from the environment":         {placeMade},
		"app secret in a file of settings":        {placeMade},
		"app secret in a flag":                    {placeMade},
		"app secret that was generated":           {placeMade},
		"next app secret":                         {placeMade},
		"next app secret that was generated":      {placeMade},
		"value of a header":                       nil,
		"value of an Authorization header":        nil,
		"Basic password":                          nil,
		"OAuth2 client secret":                    nil,
		"OAuth2 client secret that is refused":    nil,
		"access token":                            nil,
		"key of a client certificate":             nil,
		"key that belongs to no certificate":      nil,
		"value in the query of a URL":             {placeWebhook, placeMade, placeStore, placeDatabaseLog}, // it is a part of the address
		"token in a redirect":                     nil,
		"API key":                                 {placeMade},
		"API key of an administrator":             {placeMade},
		"API key that is disabled":                {placeMade},
		"bearer token":                            nil,
		"bearer token of another key":             nil,
		"bearer token that has expired":           nil,
		"bearer token for another audience":       nil,
		"bearer token without a contact centre":   nil,
		"client secret of the console":            nil,
		"code of a sign-in":                       nil,
		"ID token of a sign-in":                   nil,
		"session of the console":                  nil,
		"wrong key in the console's form":         nil,
		"wrong key in a header":                   nil,
		"wrong key as a bearer token":             nil,
		"wrong key with a bad length":             nil,
		"wrong key in a query":                    {placeRefused}, // who sent it is told what is wrong with it
		"wrong key in a path":                     {placeRefused},
		"wrong key as a contact centre":           {placeRefused},
		"wrong key in a flag":                     nil,
		"wrong token in a flag":                   nil,
		"wrong key of a client command":           nil,
		"key in a malformed request":              nil,
		"secret of the wrong type":                nil,
		"secret in broken JSON":                   nil,
		"secret in an unknown field":              nil,
		"secret of a refused webhook":             nil,
		"header of a refused webhook":             nil,
		"password in a refused URL":               nil,
		"credential of a refused webhook":         nil,
		"secret of a repetition that differs":     nil,
		"secret of a webhook that cannot be kept": nil,
		"key of a signature that is checked":      nil,
		"key of a signature in a flag":            nil,
		"password in the server's URL":            nil,
		"database password of a command":          nil,
		"database password of a copy":             nil,
		"secret in a broken configuration":        nil,
		"secret in a configuration of flags":      nil,
	}
}

// leakRun is one server with all that happens to it.
type leakRun struct {
	*testing.T
	// secrets are the texts of each; most have one.
	secrets map[string][]string
	places  map[string][]byte
	dir     string
	// url is the server's, operations its other one, and env what client commands get.
	url, operations string
	env             []string
	// settings are the server's, as its environment has them.
	settings []string
	// statements is the folder where a PostgreSQL logs what it is asked, with all values.
	statements string
	web        *http.Transport
	proxy      *egresstest.Proxy
	box        mailbox
}

func newLeakRun(t *testing.T) *leakRun {
	r := &leakRun{T: t, secrets: map[string][]string{}, places: map[string][]byte{}, dir: t.TempDir()}
	for name := range runSecrets() {
		r.secrets[name] = []string{"aZ." + rand.Text() + "~" + rand.Text()}
	}
	return r
}

func (r *leakRun) of(name string) string {
	r.Helper()
	values, ok := r.secrets[name]
	if !ok {
		r.Fatalf("%q is no secret of the table", name)
	}
	return values[0]
}

// is says what a secret of the table is, where the run did not make it up.
func (r *leakRun) is(name string, values ...string) {
	r.Helper()
	r.of(name)
	for _, value := range values {
		if len(value) < 16 {
			r.Fatalf("%s is %q", name, value)
		}
	}
	r.secrets[name] = values
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
	r.wrote(placeProcessList, strings.Join(args, " "))
	return r.flagged(place, code, env, "", args...)
}

// flagged is hookswitch for a command with input, or with a secret in its flags: what is in the process list then is what its user put there.
func (r *leakRun) flagged(place string, code int, env []string, input string, args ...string) string {
	r.Helper()
	cmd := exec.CommandContext(r.Context(), "hookswitch", args...)
	// The race detector would have each of many processes sleep for a second at its end.
	cmd.Dir, cmd.Env = r.dir, append(append(append(os.Environ(), "GORACE=atexit_sleep_ms=0"), r.env...), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		r.Fatal(err)
	}
	got := cmd.ProcessState.ExitCode()
	if got == 6 && code == 5 && strings.Contains(stderr.String(), "too many wrong keys") {
		got = code // the machine is quick: the next ones are not looked at
	}
	if got != code {
		r.Errorf("%s ended with %d, want %d: %s%s", strings.Join(args, " "), got, code, stdout.String(), stderr.String())
	}
	r.wrote(place, stdout.String())
	r.wrote(placeClients, stderr.String())
	return stdout.String()
}

// file writes a file for its owner alone, and returns its path.
func (r *leakRun) file(name, text string) string {
	r.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}
	return path
}

// request sends a request, notes the answer and returns its body; the key is the server's unless a header says otherwise.
func (r *leakRun) request(place, method, path, body string, header ...string) string {
	r.Helper()
	if strings.HasPrefix(path, "/") {
		path = r.url + path
	}
	q, err := http.NewRequestWithContext(r.Context(), method, path, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	q.Header.Set("X-Api-Key", r.of("admin key"))
	q.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	answer, err := r.web.RoundTrip(q)
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
func (r *leakRun) serve(format, collector string) (*exec.Cmd, *output, chan error) {
	r.Helper()
	cmd := exec.CommandContext(r.Context(), "hookswitch", "serve", "--listen", "127.0.0.1:0", "--operations-listen", "127.0.0.1:0", "--allow-private-targets", "127.0.0.0/8",
		"--log-level", "debug", "--log-format", format, "--otlp-endpoint", collector, "--notice-quiet", "1m")
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), r.settings...)
	log := new(output)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		r.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	listening := regexp.MustCompile(`(?:msg=listening url=|"msg":"listening","url":")(https?://[^\s"]+)`)
	operators := regexp.MustCompile(`listening for operators"[^\n]*?(http://[^\s"]+)`)
	for {
		text, grown := log.state()
		all, theirs := listening.FindStringSubmatch(text), operators.FindStringSubmatch(text)
		if all != nil && theirs != nil {
			r.url, r.operations = all[1], theirs[1]
			break
		}
		select {
		case <-grown:
		case err := <-ended:
			r.Fatalf("the server ended: %v\n%s", err, log.String())
		}
	}
	r.env = append(r.env, "HOOKSWITCH_ADMIN_KEY="+r.of("admin key"), "HOOKSWITCH_SERVER="+r.url)
	return cmd, log, ended
}

// echo is a receiver that repeats all that it was sent, and answers as its path says.
func (r *leakRun) echo() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
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
	})
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
	for i, made := range []string{
		r.hookswitch(placeMade, 0, nil, "webhooks", "create", "--json", "--file", r.file("settings.json", string(settings))),
		r.hookswitch(placeMade, 0, nil, append(create, echo+"/redirect", "--secret-file", r.file("app.secret", r.of("app secret that was given")))...),
		r.hookswitch(placeMade, 0, []string{"HOOKSWITCH_SECRET=" + r.of("app secret from the environment")}, append(create, closed.URL)...),
		r.hookswitch(placeMade, 0, nil, append(create, strings.Replace(echo, "http:", "https:", 1))...),
		r.hookswitch(placeMade, 0, []string{"HOOKSWITCH_SECRET=" + r.of("app secret from the environment")}, "webhooks", "create", "--json", "--purpose", "notices", "--url", "mailto:ops@example.com"),
		r.hookswitch(placeMade, 0, []string{"HOOKSWITCH_SECRET=" + r.of("app secret from the environment")}, "webhooks", "create", "--json", "--purpose", "notices", "--url", echo),
	} {
		id, shown := r.created(made)
		ids = append(ids, id)
		if i == 3 {
			r.is("app secret that was generated", shown)
		}
	}
	r.flagged(placeMade, 0, nil, "", append(create, "https://127.0.0.1:1", "--secret", r.of("app secret in a flag"))...)
	next := r.file("next.secret", r.of("next app secret"))
	r.hookswitch(placeMade, 0, nil, "webhooks", "secrets", "next", ids[0], "--secret-file", next, "--json")
	made := r.hookswitch(placeMade, 0, nil, "webhooks", "secrets", "next", ids[1], "--json")
	generated := regexp.MustCompile(`"next": "([^"]+)"|"nextSecret": "([^"]+)"|"secret": "([^"]+)"`).FindStringSubmatch(made)
	if generated == nil {
		r.Fatalf("no secret in %s", made)
	}
	r.is("next app secret that was generated", strings.Join(generated[1:], ""))
	r.hookswitch(placeWebhook, 0, nil, "webhooks", "secrets", "promote", ids[0])
	body := `{"url":"https://127.0.0.1:1","secret":"` + r.of("app secret that was given") + `"}`
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
		case "X-Ccid":
			header = []string{place, r.of(name)}
		default:
			header[1] = r.of(name)
		}
		r.request(placeRefused, http.MethodGet, path, "", header...)
	}
	wrong("wrong key in a header", "")
	wrong("wrong key as a bearer token", "Authorization")
	wrong("wrong key in a query", "query")
	wrong("wrong key in a path", "path")
	wrong("wrong key as a contact centre", "X-Ccid")
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
	for server, code := range map[string]int{"http://u:%s@127.0.0.1:1": 6, "ftp://u:%s@127.0.0.1:1": 2, "http://u:%s%%zz@127.0.0.1:1": 2} {
		env := []string{"HOOKSWITCH_SERVER=" + fmt.Sprintf(server, r.of("password in the server's URL"))}
		r.hookswitch(placeClients, code, env, "webhooks", "list")
		r.hookswitch(placeClients, map[int]int{6: 1, 2: 2}[code], env, "health")
	}
	r.hookswitch(placeClients, 1, []string{"HOOKSWITCH_DATABASE=postgres://u:" + r.of("database password of a command") + "@127.0.0.1:1/x?sslmode=never"}, "migrate", "status")
	r.hookswitch(placeClients, 6, []string{"HOOKSWITCH_DATABASE=postgres://u:" + r.of("database password of a command") + "@127.0.0.1:1/x"}, "migrate", "status")
}

// signatures checks one, and makes one, with a secret from the environment.
func (r *leakRun) signatures() {
	env := []string{"HOOKSWITCH_SECRET=" + r.of("key of a signature that is checked")}
	r.file("body.json", `{"a":1}`)
	r.hookswitch(placeClients, 0, env, "sign", "body.json")
	flag := r.of("key of a signature in a flag")
	r.flagged(placeClients, 0, nil, "", "sign", "body.json", "--secret", flag)
	r.flagged(placeClients, 1, nil, "", "verify", "body.json", "--secret", flag, "--header", "X-Hub-Signature: sha1=0123456789012345678901234567890123456789")
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
	r.hookswitch(placeLog, 0, r.settings, "migrate", "status")
}

// readFiles reads the files of the store and of its backup. A backup of PostgreSQL is an SQLite file too, so what its tables hold is there.
func (r *leakRun) readFiles() {
	files, err := filepath.Glob(filepath.Join(r.dir, "*.db*"))
	if err != nil || len(files) == 0 {
		r.Fatalf("no files of the store: %v", err)
	}
	if r.statements != "" {
		r.wrote(placeDatabaseLog, r.text(filepath.Join(r.statements, "log")))
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

// forms are what a text looks like: as it is, in either case, in hexadecimal digits, as a list of numbers, and in base64 wherever it begins.
// Halves are looked for, so that a part that was escaped, cut or left out hides nothing.
func forms(secret string) [][]byte {
	var all [][]byte
	add := func(text ...string) {
		for _, t := range text {
			if !slices.ContainsFunc(all, func(have []byte) bool { return string(have) == t }) {
				all = append(all, []byte(t))
			}
		}
	}
	for _, part := range []string{secret[:len(secret)/2], secret[len(secret)/2:]} {
		h, numbers := hex.EncodeToString([]byte(part)), strings.Trim(fmt.Sprintf("%d", []byte(part)), "[]")
		add(part, strings.ToLower(part), strings.ToUpper(part), url.QueryEscape(part), h, strings.ToUpper(h), numbers, strings.ReplaceAll(numbers, " ", ","))
		for before := range 3 {
			text := append(make([]byte, before), part...)
			from, to := (before*8+5)/6, len(text)*8/6
			add(base64.RawStdEncoding.EncodeToString(text)[from:to], base64.RawURLEncoding.EncodeToString(text)[from:to])
		}
	}
	return all
}

// leaks says which secrets are where they may not be.
func (r *leakRun) leaks() []string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(runSecrets())) {
		var all [][]byte
		for _, text := range r.secrets[name] {
			all = append(all, forms(text)...)
		}
		for place, text := range r.places {
			if slices.Contains(runSecrets()[name], place) {
				continue
			}
			for _, form := range all {
				if at := bytes.Index(text, form); at >= 0 {
					found = append(found, fmt.Sprintf("%s is in %s: …%q…", name, place, text[max(0, at-200):min(len(text), at+len(form)+80)]))
					break
				}
			}
		}
	}
	return found
}

// prepare decides what the server is given: everything that can be secret, by the environment or files.
func (r *leakRun) prepare(engine string, issuer *tokenIssuer) (database, keyset, keysetFile string) {
	r.Helper()
	keyset = r.keyset()
	r.is("master keyset", r.keysOf(keyset)...)
	box, mail, authority := startLoginMailbox(r.T, r.of("password of the mail server"))
	r.box = box
	smtp := &url.URL{Scheme: "smtp", Host: mail, User: url.UserPassword("hookswitch", r.of("password of the mail server"))}
	scheme := map[string]string{"sqlite": "http", "postgres": "socks5"}[engine]
	r.proxy = egresstest.Start(r.T, scheme, nil, egresstest.Behaviour{User: "hookswitch", Password: r.of("password of the egress proxy")})
	cert, key := r.certified("key of the server's TLS", 1)
	r.settings = []string{
		"HOOKSWITCH_ADMIN_KEY=" + r.of("admin key"), "HOOKSWITCH_SMTP=" + smtp.String(), "HOOKSWITCH_SMTP_FROM=hookswitch@example.com", "SSL_CERT_FILE=" + r.file("mail.crt", string(authority)),
		"HOOKSWITCH_EGRESS_PROXY=" + scheme + "://hookswitch:" + r.of("password of the egress proxy") + "@" + r.proxy.Address,
		"OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20" + r.of("credential of the collector"),
		"HOOKSWITCH_OIDC_ISSUER=" + issuer.url, "HOOKSWITCH_OIDC_AUDIENCE=hookswitch",
		"HOOKSWITCH_OIDC_CLIENT_ID=console", "HOOKSWITCH_OIDC_CLIENT_SECRET=" + r.of("client secret of the console"),
	}
	r.web = &http.Transport{}
	r.Cleanup(r.web.CloseIdleConnections)
	if engine == "postgres" {
		var err error
		if r.statements, err = os.MkdirTemp("", "statements"); err != nil {
			r.Fatal(err)
		}
		r.Cleanup(func() {
			if err := os.RemoveAll(r.statements); err != nil {
				r.Error(err)
			}
		})
		if err := os.Chmod(r.statements, 0o777); err != nil { // the database may run as another user
			r.Fatal(err)
		}
		server := pgtest.Start(r.T, pgtest.Setting("logging_collector", "on"), pgtest.Setting("log_directory", r.statements), pgtest.Setting("log_filename", "log"),
			pgtest.Setting("log_file_mode", "0644"), pgtest.Setting("log_min_duration_statement", "0"), pgtest.Setting("log_parameter_max_length_on_error", "-1"))
		database = server.CreateDatabase(r.T, "hookswitch")
		r.settings = append(r.settings, "HOOKSWITCH_DATABASE="+withPassword(database, r.of("database password")), "HOOKSWITCH_MASTER_KEYSET="+keyset)
		return withPassword(server.CreateDatabase(r.T, "another"), r.of("database password of a copy")), keyset, ""
	}
	if err := os.Mkdir(filepath.Join(r.dir, "keys"), 0o700); err != nil {
		r.Fatal(err)
	}
	keysetFile = r.file(filepath.Join("keys", "master.keyset"), keyset)
	r.settings = append(r.settings, "HOOKSWITCH_DATABASE="+filepath.Join(r.dir, "h.db"), "HOOKSWITCH_MASTER_KEYSET_FILE="+keysetFile,
		"HOOKSWITCH_TLS_CERT="+cert, "HOOKSWITCH_TLS_KEY="+key)
	r.web.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	r.env = append(r.env, "HOOKSWITCH_CA_FILE="+cert)
	return filepath.Join(r.dir, "copy.db"), keyset, keysetFile
}

// No secret leaves the places where it belongs: a server with every kind of secret is used, misused and ended, as processes of their own, and
// then all that they wrote is searched for each secret.
func TestNoSecretLeaks(t *testing.T) {
	for engine, format := range map[string]string{"sqlite": "json", "postgres": "text"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			r, issuer := newLeakRun(t), newTokenIssuer(t)
			other, keyset, keysetFile := r.prepare(engine, issuer)
			collector := tracetest.New(t)
			cmd, log, ended := r.serve(format, collector.URL)
			r.use(cmd.Process.Pid, issuer)
			r.master(keyset, keysetFile)
			r.refused()
			r.malformed()
			r.configurations()
			r.signatures()
			r.told(log)
			if engine == "postgres" {
				r.unkept(r.databaseOf())
			}
			backup := filepath.Join(r.dir, "backup.db")
			r.hookswitch(placeLog, 0, r.settings, "backup", "--to", backup)
			for code, database := range map[int]string{6: "postgres://u:%s@127.0.0.1:1/x", 2: "postgre://u:%s@127.0.0.1:1/x"} {
				r.hookswitch(placeClients, code, []string{"HOOKSWITCH_COPY_TO=" + fmt.Sprintf(database, r.of("database password of a copy"))}, "migrate", "copy", "--from", backup)
			}
			r.hookswitch(placeLog, 0, []string{"HOOKSWITCH_COPY_FROM=" + backup, "HOOKSWITCH_COPY_TO=" + other}, "migrate", "copy", "--json")

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

// use does everything that callers do, and lets everything fail that can.
func (r *leakRun) use(pid int, issuer *tokenIssuer) {
	r.Helper()
	if runtime.GOOS == "linux" {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || len(line) == 0 {
			r.Fatalf("read the process list: %v", err)
		}
		r.wrote(placeProcessList, string(line))
	}
	echo := httptest.NewServer(r.echo())
	r.Cleanup(echo.Close)
	ids := append(r.webhooks(echo.URL), r.credentials(echo.URL, r.echo())...)
	for _, id := range ids[:2] {
		r.hookswitch(placeLists, 1, nil, "webhooks", "test", id)
		r.hookswitch(placeLists, 1, nil, "webhooks", "test", id, "--json")
	}
	for range 2 {
		r.hookswitch(placeLists, 0, nil, "interactions", "create", "--queue", "q", "--idempotency-key", "one interaction")
	}
	r.keys()
	r.tokens(issuer, newTokenIssuer(r.T))
	r.signIn(issuer)
	r.hookswitch(placeWebhook, 0, nil, "webhooks", "update", ids[0], "--description", "changed", "--retry-attempts", "1")
	r.hookswitch(placeWebhook, 0, nil, "webhooks", "disable", ids[1])
	r.read(ids)
	r.profiles()
	r.proxy.Do(egresstest.Behaviour{User: "hookswitch", Password: "another"})
	r.hookswitch(placeLists, 1, nil, "webhooks", "test", ids[0])
}

// told waits for what operators are told.
func (r *leakRun) told(log *output) {
	r.Helper()
	select { // that a circuit has opened, or that a delivery was given up
	case m := <-r.box:
		body, err := io.ReadAll(m.Body)
		if err != nil {
			r.Fatal(err)
		}
		r.wrote(placeMail, fmt.Sprint(m.Header), string(body))
	case <-time.After(awaitMax):
		r.Fatalf("no e-mail came\n%s", log.String())
	}
	log.await(r.T, "delivery exhausted")
	r.hookswitch(placeNotices, 0, nil, "notices", "list", "--json", "--all")
}

// databaseOf returns the server's database.
func (r *leakRun) databaseOf() string {
	for _, s := range r.settings {
		if database, ok := strings.CutPrefix(s, "HOOKSWITCH_DATABASE="); ok {
			return database
		}
	}
	return ""
}
