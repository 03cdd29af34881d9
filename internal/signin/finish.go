package signin

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/internal/bearer"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// Finish ends a sign-in: it takes what [Flow.Begin] gave to keep, empty where nothing was kept, and the query of the issuer's answer, and returns
// who signed in and until when.
func (f *Flow) Finish(ctx context.Context, state []byte, query url.Values) (caller hook.Caller, until time.Time, err error) {
	p, err := f.begun(state, query)
	if err != nil {
		return hook.Caller{}, time.Time{}, err
	}
	said, err := f.discovery(ctx)
	if err != nil {
		return hook.Caller{}, time.Time{}, err
	}
	if err := f.answered(&said, query); err != nil {
		return hook.Caller{}, time.Time{}, err
	}
	text, err := f.exchange(ctx, &p, &said, query.Get("code"))
	if err != nil {
		return hook.Caller{}, time.Time{}, err
	}
	token, err := f.idToken(ctx, text, p.Nonce)
	if err != nil {
		return hook.Caller{}, time.Time{}, err
	}
	if caller, err = f.caller(token.Claims); err != nil {
		return hook.Caller{}, time.Time{}, err
	}
	until = f.options.Now().Add(sessionMax)
	if token.Expiry.Before(until) {
		until = token.Expiry
	}
	return caller, until, nil
}

// begun finds the sign-in that an answer belongs to. Nothing else of the answer counts before.
func (f *Flow) begun(state []byte, query url.Values) (p pending, err error) {
	if err := json.Unmarshal(state, &p); err != nil || p.State == "" || p.Nonce == "" || p.Verifier == "" {
		return p, foreign()
	}
	if !same(p.State, query.Get("state")) {
		return p, foreign()
	}
	if !f.options.Now().Before(p.Until) {
		return p, &hook.SignInError{Problem: hook.SignInAgain, Text: fmt.Sprintf("Signing in took longer than %d minutes. Begin again.", int(pendingFor.Minutes()))}
	}
	for name, values := range query {
		if len(values) != 1 { // RFC 6749, section 3.1
			return p, f.misset("its answer has the parameter %s more than once", shown(name))
		}
	}
	return p, nil
}

// answered judges an answer that belongs to a sign-in.
func (f *Flow) answered(said *bearer.Discovery, query url.Values) error {
	name, named := query["iss"]
	if named && name[0] != f.options.Issuer.Name() || !named && said.NamesItself { // RFC 9207, section 2.4
		return f.misset("the answer is of another issuer, or does not say of which")
	}
	if query.Has("error") {
		return f.refused(query.Get("error"), query.Get("error_description"))
	}
	if query.Get("code") == "" {
		return f.misset("its answer has neither a code nor an error")
	}
	return nil
}

// idToken judges an ID token.
func (f *Flow) idToken(ctx context.Context, text, nonce string) (bearer.Token, error) {
	token, err := f.options.Issuer.Token(ctx, text, f.options.ClientID)
	if bad, ok := errors.AsType[*hook.TokenError](err); ok {
		return token, f.misset("its ID token %s", bad.Reason)
	}
	if err != nil {
		return token, f.unjudged(err)
	}
	kind, typed := token.Claims["typ"]
	party, partied := token.Claims["azp"]
	several, _ := token.Claims["aud"].([]any)
	said, _ := token.Claims["nonce"].(string)
	switch {
	case !slices.Contains([]string{"", "jwt", "application/jwt"}, token.Type), typed && kind != "ID": // an access token, a logout token
		return token, f.misset("what it gave as an ID token is another kind of token")
	case partied && party != f.options.ClientID, !partied && len(several) > 1:
		return token, f.misset("its ID token was made for another client")
	case !same(nonce, said):
		return token, foreign()
	case !f.options.Now().Before(token.Expiry): // a session would end as it begins
		return token, f.misset("its ID token has expired: compare the clocks")
	}
	return token, nil
}

// caller makes a caller of the claims of somebody who may do something.
func (f *Flow) caller(held bearer.Claims) (hook.Caller, error) {
	caller, err := f.options.Issuer.Caller(held)
	if bad, ok := errors.AsType[*hook.TokenError](err); ok {
		return hook.Caller{}, f.unfit(bad.Reason)
	}
	if err != nil {
		return hook.Caller{}, fmt.Errorf("read claims: %w", err)
	}
	if len(caller.Permissions) > 0 {
		return caller, nil
	}
	claim := f.options.Issuer.PermissionsClaim()
	if _, ok := held.Find(claim); !ok {
		return hook.Caller{}, f.unfit("has no claim " + claim + ", which names your permissions")
	}
	return hook.Caller{}, f.unfit("names in its claim " + claim + " no permission of this server")
}

// same compares in a time that tells nothing but the lengths; nothing is the same as an empty text.
func same(a, b string) bool {
	return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
