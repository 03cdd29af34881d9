package cli

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/client"
	"github.com/hookswitch/hookswitch/internal/config"
)

const (
	// serverDefault is where `serve` listens when nobody says otherwise.
	serverDefault = "http://127.0.0.1:8480"
	// serverEnv, keyEnv, adminKeyEnv, tokenEnv and centerEnv are the variables of the client commands.
	serverEnv   = "HOOKSWITCH_SERVER"
	keyEnv      = "HOOKSWITCH_API_KEY"
	adminKeyEnv = "HOOKSWITCH_ADMIN_KEY"
	// adminKeyFileEnv names the file that a server takes its admin key from.
	adminKeyFileEnv = adminKeyEnv + "_FILE"
	tokenEnv        = "HOOKSWITCH_TOKEN"
	centerEnv       = "HOOKSWITCH_CONTACT_CENTER"
	// requestTimeout bounds one request of a client command; a test of a webhook takes up to a minute on the server.
	requestTimeout = 90 * time.Second
	// answerBytesMax bounds an answer that is read.
	answerBytesMax = 64 << 20
)

// connection is which server a client command speaks to, and as whom.
type connection struct {
	app                    *app
	server, center, caFile string
	key, keyFile           string
	token, tokenFile       string
}

// credential is what a client command shows a server: a key or a token of its issuer, or neither.
type credential struct{ key, token string }

// connectionFlags adds the flags that every client command has.
func (a *app) connectionFlags(cmd *cobra.Command) *connection {
	c := &connection{app: a}
	flags := cmd.PersistentFlags()
	flags.StringVar(&c.server, "server", "", "the `URL` of the server (or "+serverEnv+"; default "+serverDefault+")")
	flags.StringVar(&c.key, "key", "", "the API key; others on this machine can see it, so prefer "+keyEnv+" or --key-file")
	flags.StringVar(&c.keyFile, "key-file", "", "a `file` with the API key in its first line, - for standard input")
	flags.StringVar(&c.token, "token", "", "a bearer token of the server's issuer, in place of a key; others on this machine can see it, so prefer "+tokenEnv+" or --token-file")
	flags.StringVar(&c.tokenFile, "token-file", "", "a `file` with the token in its first line, - for standard input")
	flags.StringVar(&c.caFile, "ca-file", "", caFileUsage)
	flags.StringVar(&c.center, "contact-center", "", "the contact centre that an admin key speaks for (or "+centerEnv+")")
	return c
}

// firstOf returns the first text that is not empty.
func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// base returns the URL of the server.
func (c *connection) base() (string, error) {
	base := strings.TrimRight(firstOf(c.server, c.app.env(serverEnv), serverDefault), "/")
	if u, err := url.Parse(base); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", usageErrorf("the server %q is not a URL such as %s", config.HidePassword(base), serverDefault)
	}
	return base, nil
}

// errNoKey is a client command without a key: no server would answer it.
var errNoKey = errors.New("no key: set " + keyEnv + " (or " + adminKeyEnv + ", or " + tokenEnv + "), or give --key-file FILE or --token-file FILE")

// credential returns what the flags name or else, a token first, the environment.
func (c *connection) credential() (credential, error) {
	token, key := c.token != "" || c.tokenFile != "", c.key != "" || c.keyFile != ""
	switch {
	case token && key:
		return credential{}, usageErrorf("a key and a token were given: give one of them")
	case token:
		text, err := c.given(c.token, "--token-file", c.tokenFile)
		return credential{token: text}, err
	case key:
		text, err := c.given(c.key, "--key-file", c.keyFile)
		return credential{key: text}, err
	}
	if text := c.app.env(tokenEnv); text != "" {
		return credential{token: text}, nil
	}
	if text := firstOf(c.app.env(keyEnv), c.app.env(adminKeyEnv)); text != "" {
		return credential{key: text}, nil
	}
	// As in the chart's pods, where `kubectl exec` then needs no key.
	if path := c.app.env(adminKeyFileEnv); path != "" {
		text, err := c.app.readLine(adminKeyFileEnv, path)
		return credential{key: text}, err
	}
	return credential{}, errNoKey
}

// given returns a text that a flag gives, or the file of another flag.
func (c *connection) given(text, flag, file string) (string, error) {
	if text != "" {
		return text, nil
	}
	return c.app.readLine(flag, file)
}

// open makes the client of the server, with the credential and the contact centre on every request.
func (c *connection) open() (*client.Client, error) {
	base, err := c.base()
	if err != nil {
		return nil, err
	}
	shown, err := c.credential()
	if err != nil {
		return nil, err
	}
	doer, err := c.doer(requestTimeout)
	if err != nil {
		return nil, err
	}
	return newClient(base, shown, firstOf(c.center, c.app.env(centerEnv)), doer)
}

// stay follows no redirect: the key is for the server that was named.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func newClient(base string, shown credential, center string, doer *http.Client) (*client.Client, error) {
	authorise := func(_ context.Context, r *http.Request) error {
		if shown.key != "" {
			r.Header.Set("X-Api-Key", shown.key)
		}
		if shown.token != "" {
			r.Header.Set("Authorization", "Bearer "+shown.token)
		}
		if center != "" {
			r.Header.Set("X-Ccid", center)
		}
		r.Header.Set("User-Agent", userAgent())
		return nil
	}
	api, err := client.NewClient(base, client.WithHTTPClient(doer), client.WithRequestEditorFn(authorise))
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return api, nil
}

func userAgent() string { return "Hookswitch/" + readBuild().Version }

// problemError is an answer that refuses, as the server wrote it (RFC 9457).
type problemError struct {
	Title    string         `json:"title"`
	Status   int            `json:"status"`
	Detail   string         `json:"detail"`
	Instance string         `json:"instance"`
	Errors   []problemField `json:"errors"`
}

type problemField struct {
	Location string `json:"location"`
	Message  string `json:"message"`
	Value    string `json:"value"`
}

// Error returns the problem, with a line for each wrong field.
func (e *problemError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%d)", firstOf(clean(e.Detail), clean(e.Title), "the server refused"), e.Status)
	if e.Instance != "" {
		b.WriteString(", " + clean(e.Instance))
	}
	for _, f := range e.Errors {
		b.WriteString("\n  " + clean(f.Location) + ": " + clean(f.Message))
		if f.Value != "" {
			b.WriteString(" (given: " + clean(f.Value) + ")")
		}
	}
	return b.String()
}

// unreachableError is a request that got no answer.
type unreachableError struct {
	server string
	cause  error
}

// Error says what to check.
func (e *unreachableError) Error() string {
	advice := fmt.Sprintf("is it running? --server or %s names another", serverEnv)
	if _, untrusted := errors.AsType[x509.UnknownAuthorityError](e.cause); untrusted {
		advice = fmt.Sprintf("--ca-file or %s names the certificates of a private authority", caFileEnv)
	}
	return fmt.Sprintf("no answer from the server at %s: %v; %s", e.server, e.cause, advice)
}

// Unwrap returns the cause.
func (e *unreachableError) Unwrap() error { return e.cause }

// ask makes a request and returns what came of it: the body of a 2xx answer, or an error.
func (c *connection) ask(call func() (*http.Response, error)) ([]byte, error) {
	base, err := c.base()
	if err != nil {
		return nil, err
	}
	return ask(base, call)
}

// plainToTLS is what net/http answers to HTTP where it expects TLS.
const plainToTLS = "Client sent an HTTP request to an HTTPS server"

func unreachable(base string, cause error) error {
	if wrapped, ok := errors.AsType[*url.Error](cause); ok {
		cause = wrapped.Err // the URL is said once
	}
	return &unreachableError{config.HidePassword(base), cause}
}

func ask(base string, call func() (*http.Response, error)) (body []byte, err error) {
	resp, err := call()
	switch {
	case err != nil && isUsage(err):
		return nil, err // there was no request
	case err != nil:
		return nil, unreachable(base, err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	body, err = io.ReadAll(io.LimitReader(resp.Body, answerBytesMax+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read answer: %w", err)
	case len(body) > answerBytesMax:
		return nil, fmt.Errorf("read answer: it is larger than %d bytes", answerBytesMax)
	case resp.StatusCode >= 200 && resp.StatusCode <= 299:
		return body, nil
	}
	problem := &problemError{}
	if resp.StatusCode == http.StatusBadRequest && strings.HasPrefix(string(body), plainToTLS) {
		return nil, usageErrorf("the server at %s wants https: --server or %s with https://", base, serverEnv)
	}
	if err := json.Unmarshal(body, problem); err != nil || problem.Status == 0 {
		problem = &problemError{Title: "the answer is " + resp.Status + ", and not from a Hookswitch server"}
	}
	problem.Status = resp.StatusCode
	return nil, problem
}
