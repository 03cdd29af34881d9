package bearer

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// keysFreshFor is how old keys become before they are read anew.
	keysFreshFor = time.Hour
	// keysAgeMax is how old they may become while reading fails.
	keysAgeMax = 24 * time.Hour
	// reloadPause is the least time from one read that succeeded to the next.
	reloadPause = 10 * time.Second
	// failurePause is the pause after the first read that failed; each further one doubles it.
	failurePause    = 2 * time.Second
	failurePauseMax = time.Minute
	// waitersMax bounds how many requests wait for a read.
	waitersMax = 256
	// keysMax bounds the keys of an issuer: a token that names none may have to be tried with each.
	keysMax = 64
	// rsaBitsMin is the least length of an RSA key (RFC 7518, section 3.3).
	rsaBitsMin = 2_048
	// causeBytesMax bounds what the log shows of a failure, which may quote the issuer's whole answer.
	causeBytesMax = 300
)

// algorithms are those that a token may be signed with, all of them asymmetric (RFC 7518, section 3.1; RFC 8037).
func algorithms() []string {
	return []string{
		oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
	}
}

// keyring has the issuer's keys. It is an oidc.KeySet; the library's own asks the issuer for every unknown key and every wrong
// signature.
type keyring struct {
	options *Options
	metrics *keyMetrics
	client  *http.Client
	allowed []jose.SignatureAlgorithm
	// reading holds a token while somebody reads.
	reading chan struct{}
	waiting atomic.Int64

	mu    sync.Mutex // guards state
	state keyState
}

// keyState is what is known of the issuer.
type keyState struct {
	// said is what the issuer said of itself when its keys were last read; moved says that it is asked for that again first.
	said  Discovery
	moved bool
	keys  []jose.JSONWebKey
	// readAt is when they were read; zero is never.
	readAt time.Time
	// nextAt is when the next read may begin.
	nextAt time.Time
	// failures counts the reads that failed since the last that did not.
	failures int
}

func newKeyring(o *Options) *keyring {
	k := &keyring{options: o, metrics: newKeyMetrics(o.Metrics), client: newClient(o.Issuer, o.Roots, o.Timeout), reading: make(chan struct{}, 1)}
	for _, a := range algorithms() {
		k.allowed = append(k.allowed, jose.SignatureAlgorithm(a))
	}
	return k
}

// VerifySignature returns the payload of a token that a key of the issuer has signed. Why not, it tells the finding in the context.
func (k *keyring) VerifySignature(ctx context.Context, text string) ([]byte, error) {
	found, ok := ctx.Value(findingKey{}).(*finding)
	if !ok { // judge puts it there
		return nil, errors.New("no place for the finding")
	}
	found.payload, found.err = k.verify(ctx, text)
	return found.payload, found.err
}

func (k *keyring) verify(ctx context.Context, text string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(text, k.allowed)
	if err != nil || len(signed.Signatures) != 1 { // the library has read it already
		return nil, &hook.TokenError{Reason: "is no JWT"}
	}
	header := signed.Signatures[0].Header
	// Twice at most: an issuer may sign with a key that is new and has an old name, or none.
	for _, missed := range []bool{false, true} {
		keys, err := k.keysFor(ctx, header.KeyID, missed)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			if named(&key, header.KeyID) && (key.Algorithm == "" || key.Algorithm == header.Algorithm) {
				if payload, err := signed.Verify(key.Key); err == nil {
					return payload, nil
				}
			}
		}
	}
	return nil, errUnsigned()
}

func errUnsigned() error { return &hook.TokenError{Reason: "is not signed by a key of its issuer"} }

// named reports whether a token that names a key, or none, may be signed with this one.
func named(key *jose.JSONWebKey, id string) bool { return id == "" || key.KeyID == id }

// keysFor returns the keys among which one with the id may be, and asks the issuer where that is needed and permitted. missed says that
// those known before did not do.
func (k *keyring) keysFor(ctx context.Context, id string, missed bool) ([]jose.JSONWebKey, error) {
	keys, enough, err := k.look(id, missed)
	if enough {
		return keys, err
	}
	if err == nil { // old, and good enough while somebody else reads
		select {
		case k.reading <- struct{}{}:
		default:
			return keys, nil
		}
	} else if err := k.wait(ctx); err != nil {
		return nil, err
	}
	defer func() { <-k.reading }()
	if _, enough, _ = k.look(id, missed); !enough { // else somebody has read meanwhile
		k.read(ctx)
	}
	keys, _, err = k.look(id, false)
	return keys, err
}

// look returns the keys if one with the id may be among them, or why not; enough says that nothing is to be read before that is said.
func (k *keyring) look(id string, missed bool) (keys []jose.JSONWebKey, enough bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, now := &k.state, k.options.Now()
	paused, age := now.Before(s.nextAt), now.Sub(s.readAt)
	has := slices.ContainsFunc(s.keys, func(key jose.JSONWebKey) bool { return named(&key, id) })
	switch {
	case s.readAt.IsZero() || age >= keysAgeMax || !has && s.failures > 0:
		return nil, paused, &hook.UnjudgedError{RetryAfter: max(s.nextAt.Sub(now), time.Second)}
	case missed || !has:
		return nil, paused, errUnsigned()
	default:
		return s.keys, age < keysFreshFor || paused, nil
	}
}

// wait waits for the turn to read.
func (k *keyring) wait(ctx context.Context) error {
	if k.waiting.Add(1) > waitersMax {
		k.waiting.Add(-1)
		return &hook.UnjudgedError{RetryAfter: time.Second}
	}
	defer k.waiting.Add(-1)
	select {
	case k.reading <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the issuer's keys: %w", ctx.Err())
	}
}

// read reads the issuer's keys, for the one who has the turn. It goes on when the request ends, because others wait for it.
func (k *keyring) read(ctx context.Context) {
	k.mu.Lock()
	said, moved := k.state.said, k.state.moved || k.options.Now().Sub(k.state.readAt) >= keysFreshFor
	k.mu.Unlock()
	ctx = oidc.ClientContext(context.WithoutCancel(ctx), k.client)
	var err error
	if moved {
		said, err = k.discover(ctx)
	}
	var keys []jose.JSONWebKey
	if err == nil {
		keys, err = k.fetch(ctx, said.KeysURL)
	}

	k.mu.Lock()
	defer k.mu.Unlock()
	s, now, failed := &k.state, k.options.Now(), k.state.failures
	log := k.options.Log.With("issuer", k.options.Issuer)
	if err != nil {
		s.moved, s.failures = true, failed+1
		s.nextAt = now.Add(min(failurePause<<min(failed, 10), failurePauseMax))
		k.metrics.reads.WithLabelValues(readFailed).Inc()
		if failed == 0 {
			log.Warn("the token issuer does not give its keys", "error", clip(err.Error()))
		}
		return
	}
	if failed > 0 || s.readAt.IsZero() {
		log.Info("the token issuer gives its keys", "keys", len(keys))
	}
	*s = keyState{said: said, keys: keys, readAt: now, nextAt: now.Add(reloadPause)}
	k.metrics.reads.WithLabelValues(readDone).Inc()
	k.metrics.readAt.Set(float64(now.Unix()))
}

// discover asks the issuer for its configuration.
func (k *keyring) discover(ctx context.Context) (said Discovery, err error) {
	provider, err := oidc.NewProvider(ctx, k.options.Issuer)
	if err != nil {
		return said, fmt.Errorf("read the issuer's configuration: %w", err)
	}
	if err := provider.Claims(&said); err != nil {
		return said, fmt.Errorf("read the issuer's configuration: %w", err)
	}
	if said.KeysURL == "" {
		return said, errors.New("read the issuer's configuration: it names no jwks_uri")
	}
	return said, nil
}

// fetch asks the issuer for its keys.
func (k *keyring) fetch(ctx context.Context, url string) ([]jose.JSONWebKey, error) {
	body, err := k.get(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("read the issuer's keys: %w", err)
	}
	keys, err := parseKeys(body)
	if err != nil {
		return nil, fmt.Errorf("read the issuer's keys: %w", err)
	}
	return keys, nil
}

func (k *keyring) get(ctx context.Context, url string) (body []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := k.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New("the answer is " + resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// parseKeys reads a key set (RFC 7517, section 5) and leaves out what is not for us: keys of unknown kinds, for encryption, secret or weak
// ones. A set of which none is left is an error.
func parseKeys(body []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("read key set: %w", err)
	}
	var keys []jose.JSONWebKey
	for _, text := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(text, &key) == nil && (key.Use == "" || key.Use == "sig") && isStrong(&key) {
			keys = append(keys, key)
		}
	}
	switch {
	case len(keys) == 0:
		return nil, fmt.Errorf("none of %d keys can verify a signature", len(set.Keys))
	case len(keys) > keysMax:
		return nil, fmt.Errorf("there are %d keys; at most %d are allowed", len(keys), keysMax)
	}
	return keys, nil
}

func isStrong(key *jose.JSONWebKey) bool {
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		return public.N.BitLen() >= rsaBitsMin
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return key.Valid()
	default: // a shared secret, or a private key that should not be there
		return false
	}
}

func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), causeBytesMax)], "") }
