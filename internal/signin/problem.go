package signin

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/oauth2"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// wordsRunesMax bounds what a person is shown of the issuer's words.
	wordsRunesMax = 200
	// awayPause is when to try again where the issuer does not say.
	awayPause = 2 * time.Second
	// advice is where to read on.
	advice = "docs/oidc.md, Signing in to the console"
)

// knownCodes are the error codes that may be shown as they are (RFC 6749, sections 4.1.2.1 and 5.2; OpenID Connect Core 1.0, section 3.1.2.6).
func knownCodes() []string {
	return []string{
		"invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type", "invalid_scope", "server_error", "temporarily_unavailable",
		"invalid_client", "invalid_grant", "unsupported_grant_type", "interaction_required", "login_required", "account_selection_required",
		"consent_required", "request_not_supported", "registration_not_supported",
	}
}

// foreign is an answer that does not belong to a sign-in of this browser.
func foreign() error {
	return &hook.SignInError{
		Problem: hook.SignInAgain,
		Text:    "This answer belongs to no sign-in that this browser has begun, or to one that is over already. Begin again, and in one tab only.",
	}
}

func (f *Flow) away(retryAfter time.Duration, cause error) error {
	return &hook.SignInError{
		Problem: hook.SignInAway, RetryAfter: retryAfter, Cause: cause,
		Text: f.host + " does not answer now. Try again in a moment, or sign in with an API key.",
	}
}

// unjudged is an issuer that cannot be asked, or an error that is none of ours.
func (f *Flow) unjudged(err error) error {
	if later, ok := errors.AsType[*hook.UnjudgedError](err); ok {
		return f.away(later.RetryAfter, nil) // the issuer's own log line says why, once
	}
	return fmt.Errorf("ask the issuer: %w", err)
}

// misset is an issuer and a server that are not set up for each other.
func (f *Flow) misset(format string, args ...any) error {
	cause := fmt.Errorf(format, args...)
	return &hook.SignInError{
		Problem: hook.SignInMisset, Cause: cause,
		Text: fmt.Sprintf("Signing in with %s does not work as it is set up: %v. Tell whoever runs Hookswitch (%s).", f.host, cause, advice),
	}
}

// unfit is somebody who is known to the issuer and may do nothing here.
func (f *Flow) unfit(reason string) error {
	cause := errors.New("the ID token " + reason)
	return &hook.SignInError{
		Problem: hook.SignInRefused, Cause: cause,
		Text: fmt.Sprintf("You are known to %s, but may not come in: what it says of you %s. Tell whoever administers it (%s).", f.host, reason, advice),
	}
}

// refused is the issuer's error in place of a code.
func (f *Flow) refused(code, description string) error {
	code = codeText(code)
	cause := fmt.Errorf("the issuer answered the error %s", code)
	switch code {
	case "server_error", "temporarily_unavailable":
		return f.away(awayPause, cause)
	case "access_denied", "login_required", "interaction_required", "account_selection_required", "consent_required":
		return &hook.SignInError{Problem: hook.SignInRefused, Cause: cause, Text: fmt.Sprintf("%s did not let you in (%s)%s.", f.host, code, words(description))}
	}
	return f.misset("it answered the error %s%s", code, words(description))
}

// notExchanged says why there is no token for a code. Of what the token endpoint answers only the error's code is used: the rest may repeat
// what it was sent.
func (f *Flow) notExchanged(err error) error {
	failed, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok { // no connection, or an answer that is not JSON
		if at, ok := errors.AsType[*url.Error](err); ok { // the URL may be one that a redirect has made
			err = at.Err
		}
		return f.away(awayPause, errors.New("exchange code: "+shown(err.Error())))
	}
	code, status := codeText(failed.ErrorCode), failed.Response.StatusCode
	switch {
	case status >= http.StatusInternalServerError || status == http.StatusTooManyRequests:
		return f.away(awayPause, fmt.Errorf("exchange code: the answer is %d", status))
	case code == "invalid_grant":
		return &hook.SignInError{
			Problem: hook.SignInAgain, Cause: errors.New("exchange code: the issuer answered invalid_grant"),
			Text: fmt.Sprintf("%s says that this sign-in was used already, or took too long. Begin again.", f.host),
		}
	case code == "invalid_client" || code == "unauthorized_client":
		return f.misset("it does not accept this server's oidc-client-id with its oidc-client-secret (%s)", code)
	}
	return f.misset("it answered %d with the error %s to the code", status, code)
}

// codeText returns an error's code that is known.
func codeText(code string) string {
	if slices.Contains(knownCodes(), code) {
		return code
	}
	return "of its own"
}

// words returns an issuer's words to be shown behind ours.
func words(text string) string {
	if text = shown(text); text == "" {
		return ""
	}
	return ", and says: “" + strings.TrimRight(text, ".") + "”"
}

// shown makes one line of a text that comes from elsewhere, visible and bounded.
func shown(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, text)
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > wordsRunesMax {
		return string(runes[:wordsRunesMax]) + "…"
	}
	return string(runes)
}
