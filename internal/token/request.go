package token

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The bounds of what an authorization server may answer, in bytes.
const (
	responseBytesMax = 32 << 10
	tokenBytesMax    = 16 << 10
)

// wordsBytesMax is how much is kept of the words about a request that failed, so that they fit with ours into [hook.ErrorBytesMax].
const wordsBytesMax = hook.ErrorBytesMax - 128

// spareShare is the part of a post's time that a renewal may take while the old token would still do.
const spareShare = 2

// grant is a token that was given.
type grant struct {
	token string
	// asked is when it was asked for, from which its life is counted.
	asked time.Time
	life  time.Duration
}

// failure is why there is no token.
type failure struct {
	class      hook.Failure
	text       string
	retryAfter time.Duration
	// within is the timeout that was not enough; zero when time is not the reason.
	within time.Duration
	// own is whether it says nothing of the authorization server.
	own bool
}

func failureOf(class hook.Failure, format string, args ...any) *failure {
	return &failure{class: class, text: fmt.Sprintf(format, args...)}
}

func (f *failure) answer() hook.Answer {
	return hook.Answer{Failure: f.class, Error: f.text, RetryAfter: f.retryAfter}
}

// late is the failure of a post whose time is up.
func late(timeout time.Duration) *failure {
	f := failureOf(hook.FailureToken, "no token within %s: the authorization server did not answer", timeout)
	f.own = true
	return f
}

// ask asks the authorization server for a token.
func (s *Sender) ask(ctx context.Context, deadline time.Time, p *hook.Post, spare bool) (*grant, *failure) {
	o := p.Credentials.Authorization.OAuth2
	endpoint, err := url.Parse(o.TokenURL)
	if err != nil { // none is stored that is not valid; the text of the error would repeat it
		return nil, failureOf(hook.FailureToken, "the token endpoint is no URL")
	}
	asked, within := time.Now(), left(deadline)
	if spare {
		within /= spareShare
	}
	if within == 0 {
		return nil, late(p.Timeout)
	}
	post := s.request(o, endpoint, within)
	if p.URL != nil && hook.SameOrigin(o.TokenURL, p.URL.String()) && !p.Credentials.TLS.IsZero() {
		post.Credentials = &hook.Credentials{TLS: p.Credentials.TLS}
	}
	answer := s.poster.Send(ctx, post)
	g, failed := read(&answer)
	switch {
	case failed == nil:
		g.asked = asked
	case ctx.Err() != nil:
		failed.own = true // this server is ending, or the caller went away
	case failed.class == hook.FailureProxy:
		failed.own = true // who posts pauses by itself until the proxy is back, and then needs a token at once
	case answer.Failure == hook.FailureTimeout:
		failed.within = p.Timeout
	}
	return g, failed
}

// request makes the request of RFC 6749, section 4.4.2.
func (s *Sender) request(o *hook.ClientCredentials, endpoint *url.URL, timeout time.Duration) hook.Post {
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(o.Scopes) > 0 {
		form.Set("scope", strings.Join(o.Scopes, " "))
	}
	if o.Audience != "" {
		form.Set("audience", o.Audience)
	}
	header := http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}, "User-Agent": {s.userAgent},
	}
	if o.InBody {
		form.Set("client_id", o.ClientID)
		form.Set("client_secret", o.ClientSecret.Reveal())
	} else {
		// Both are encoded as in a form before they are joined (RFC 6749, section 2.3.1).
		pair := url.QueryEscape(o.ClientID) + ":" + url.QueryEscape(o.ClientSecret.Reveal())
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	return hook.Post{URL: endpoint, Header: header, Body: []byte(form.Encode()), Timeout: timeout, ResponseMax: responseBytesMax}
}

// response is what a token endpoint answers (RFC 6749, sections 5.1 and 5.2).
type response struct {
	Token     string          `json:"access_token"`
	Type      string          `json:"token_type"`
	ExpiresIn json.RawMessage `json:"expires_in"`
	Error     string          `json:"error"`
}

// read makes a token of an answer, or a failure that repeats nothing of it but what is known to be harmless.
func read(a *hook.Answer) (*grant, *failure) {
	if a.Failure == hook.FailureProxy {
		return nil, failureOf(hook.FailureProxy, "%s", a.Error)
	}
	if a.Failure != hook.FailureNone {
		return nil, failureOf(hook.FailureToken, "no token from the authorization server: %s: %s", a.Failure, wordsOf(a))
	}
	var r response
	err := json.Unmarshal(a.Response, &r)
	if a.Status != http.StatusOK {
		f := failureOf(hook.FailureToken, "the authorization server answered %d%s", a.Status, codeText(r.Error))
		f.retryAfter = a.RetryAfter
		return nil, f
	}
	switch {
	case len(a.Response) >= responseBytesMax:
		return nil, failureOf(hook.FailureToken, "the authorization server answered more than %d bytes", responseBytesMax)
	case err != nil:
		return nil, failureOf(hook.FailureToken, "the authorization server answered 200 with what is not the JSON of RFC 6749, section 5.1")
	case r.Token == "":
		return nil, failureOf(hook.FailureToken, "the authorization server answered 200 without an access_token%s", codeText(r.Error))
	case r.Type != "" && !strings.EqualFold(r.Type, "bearer"): // a few servers leave it out
		return nil, failureOf(hook.FailureToken, "the authorization server gave a token that is not of the type bearer")
	case len(r.Token) > tokenBytesMax:
		return nil, failureOf(hook.FailureToken, "the authorization server gave a token of %d bytes; at most %d are used", len(r.Token), tokenBytesMax)
	case strings.ContainsFunc(r.Token, func(c rune) bool { return c <= ' ' || c > '~' }):
		return nil, failureOf(hook.FailureToken, "the authorization server gave a token that no header can hold")
	}
	return &grant{token: r.Token, life: lifeOf(r.ExpiresIn)}, nil
}

// wordsOf says why the authorization server was not reached. The words about an answer that is not HTTP may quote it.
func wordsOf(a *hook.Answer) string {
	if a.Failure == hook.FailureRequest {
		return "the request could not be made, or the answer was not HTTP"
	}
	return strings.ToValidUTF8(a.Error[:min(len(a.Error), wordsBytesMax)], "")
}

// lifeOf reads expires_in, a number of seconds; some servers write it as a text.
func lifeOf(raw json.RawMessage) time.Duration {
	text := strings.Trim(string(raw), `"`)
	if text == "" || text == "null" {
		return lifeUnknown
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds > 0) { // NaN, too; who writes 0 means that it does not know
		return lifeUnknown
	}
	return time.Duration(min(seconds, lifeMax.Seconds()) * float64(time.Second))
}

// codeText is an error code of a token endpoint where it is one that is known, with what to do about it. Another one is not repeated: who
// knows the secret may write it anywhere.
func codeText(code string) string {
	switch code {
	case "":
		return ""
	case "invalid_client":
		return " invalid_client: it does not take this clientId and clientSecret, or wants them otherwise (inBody)"
	case "invalid_scope":
		return " invalid_scope: it does not give these scopes to this client"
	case "unauthorized_client", "unsupported_grant_type":
		return " " + code + ": it does not give this client tokens by client credentials"
	case "invalid_target": // RFC 8707, section 2
		return " invalid_target: it does not know this audience"
	case "invalid_request", "invalid_grant", "access_denied", "server_error", "temporarily_unavailable":
		return " " + code
	}
	return " with an error code that is not one of RFC 6749"
}
