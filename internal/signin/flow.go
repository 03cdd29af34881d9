package signin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/hookswitch/hookswitch/internal/bearer"
	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// pendingFor is how long somebody may take to sign in at the issuer.
	pendingFor = 10 * time.Minute
	// sessionMax bounds how long somebody is signed in, however long the ID token is valid: a working day.
	sessionMax = 8 * time.Hour
	// exchangesMax bounds how many codes are exchanged at the same time.
	exchangesMax = 8
	// turnWaitMax is how long a sign-in waits for its turn to exchange its code.
	turnWaitMax = 5 * time.Second
)

// Options are what a flow needs.
type Options struct {
	Issuer *bearer.Issuer
	// ClientID is the name under which the issuer knows this server.
	ClientID string
	// ClientSecret is zero for a public client.
	ClientSecret hook.Secret
	// Scopes are what is asked for; openid must be among them.
	Scopes []string
	// Now tells the time; nil means time.Now.
	Now func() time.Time
}

// Flow signs people in. It is safe for concurrent use.
type Flow struct {
	options Options
	// host is how people know the issuer.
	host string
	// turns holds a token for each exchange that is under way.
	turns chan struct{}
}

// New makes a flow. It starts nothing and asks nobody.
func New(o Options) *Flow {
	if o.Now == nil {
		o.Now = time.Now
	}
	host := o.Issuer.Name()
	if u, err := url.Parse(host); err == nil && u.Host != "" {
		host = u.Host
	}
	return &Flow{options: o, host: host, turns: make(chan struct{}, exchangesMax)}
}

// Host returns the issuer's host, by which people know it.
func (f *Flow) Host() string { return f.host }

// pending is a sign-in that was begun.
type pending struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"`
	Callback string    `json:"callback"`
	Until    time.Time `json:"until"`
}

// Begin begins a sign-in: it returns where the browser is to go, and what has to be kept for that browser alone until it comes back to the
// callback, and then to be forgotten.
func (f *Flow) Begin(ctx context.Context, callback string) (location string, state []byte, err error) {
	said, err := f.discovery(ctx)
	if err != nil {
		return "", nil, err
	}
	p := pending{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Callback: callback, Until: f.options.Now().Add(pendingFor)}
	if state, err = json.Marshal(&p); err != nil {
		return "", nil, fmt.Errorf("keep sign-in: %w", err)
	}
	return f.client(&said, callback).AuthCodeURL(p.State, oauth2.S256ChallengeOption(p.Verifier), oauth2.SetAuthURLParam("nonce", p.Nonce)), state, nil
}

// discovery returns what the issuer says of itself, once that is enough to sign in with.
func (f *Flow) discovery(ctx context.Context) (bearer.Discovery, error) {
	said, err := f.options.Issuer.Discovery(ctx)
	if err != nil {
		return said, f.unjudged(err)
	}
	for _, endpoint := range []struct{ name, url string }{{"authorization_endpoint", said.AuthorizationURL}, {"token_endpoint", said.TokenURL}} {
		if u, err := url.Parse(endpoint.url); err != nil || u.Host == "" || !f.options.Issuer.Permits(u) {
			return said, f.misset("its configuration names no %s that begins with https", endpoint.name)
		}
	}
	return said, nil
}

// client returns this server as the issuer's client.
func (f *Flow) client(said *bearer.Discovery, callback string) *oauth2.Config {
	// One way alone, because the library would try both with the same code. Where the issuer names none it is that of the header
	// (OpenID Connect Discovery 1.0, section 3); a public client has only its id to say, in the body (RFC 6749, section 3.2.1).
	style := oauth2.AuthStyleInHeader
	ways := said.ClientAuthentication
	if f.options.ClientSecret.IsZero() || len(ways) > 0 && !slices.Contains(ways, "client_secret_basic") {
		style = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{
		ClientID: f.options.ClientID, ClientSecret: f.options.ClientSecret.Reveal(), RedirectURL: callback, Scopes: f.options.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: said.AuthorizationURL, TokenURL: said.TokenURL, AuthStyle: style},
	}
}

// exchange exchanges a code for an ID token.
func (f *Flow) exchange(ctx context.Context, p *pending, said *bearer.Discovery, code string) (string, error) {
	if err := f.turn(ctx); err != nil {
		return "", err
	}
	defer func() { <-f.turns }()
	asked := context.WithValue(ctx, oauth2.HTTPClient, f.options.Issuer.Client())
	got, err := f.client(said, p.Callback).Exchange(asked, code, oauth2.VerifierOption(p.Verifier))
	if err != nil {
		if ctx.Err() != nil {
			return "", fmt.Errorf("exchange code: %w", ctx.Err())
		}
		return "", f.notExchanged(err)
	}
	text, _ := got.Extra("id_token").(string)
	if text == "" {
		return "", f.misset("it gave no ID token; the scope openid has to be permitted")
	}
	return text, nil
}

// turn waits until a code may be exchanged.
func (f *Flow) turn(ctx context.Context) error {
	wait := time.NewTimer(turnWaitMax)
	defer wait.Stop()
	select {
	case f.turns <- struct{}{}:
		return nil
	case <-wait.C:
		return f.away(time.Second, errors.New("too many sign-ins at the same time"))
	case <-ctx.Done():
		return fmt.Errorf("wait to exchange code: %w", ctx.Err())
	}
}
