package egress

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"net/http"
	"sync"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The limits of the identities: webhooks' own certificates and roots. One costs about 45 KB beside its connections, as measured, most of it
// the parsed certificates, the transport and the TLS session, so all of them stay below 25 MB.
const (
	// identitiesMax is how many are kept. The least recently used one makes room; its connections end with their posts.
	identitiesMax = 512
	// identityIdleConnectionsMax is how many unused connections each keeps: a webhook's usual concurrency.
	identityIdleConnectionsMax = 32
	// identityIdle is how long one that nobody uses is kept. Its connections are closed sooner, after idleTimeout.
	identityIdle = 10 * time.Minute
	// identitySessionsMax is how many receivers' TLS sessions each keeps.
	identitySessionsMax = 8
)

// identities keeps the transports of webhooks whose TLS is their own. Each has its own connections and TLS sessions, so that none that
// was made with one certificate, or trusted by one webhook's roots, ever serves another webhook.
type identities struct {
	client *Client

	mu sync.Mutex // guards known and what is used of its values
	// known is by the texts: webhooks with the same ones share.
	known map[identityKey]*identity
	swept time.Time
}

// identityKey is a hash of the three texts.
type identityKey [sha256.Size]byte

func keyOf(t *hook.TLS) (key identityKey) {
	h := sha256.New()
	for _, text := range []string{t.Certificate, t.Key.Reveal(), t.Roots} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text)))) // so that no two triples are the same bytes
		h.Write([]byte(text))
	}
	h.Sum(key[:0])
	return key
}

// identity is the TLS of one webhook, or of several that have the same.
type identity struct {
	transport *http.Transport
	// leaf is the client's certificate; nil where there is none.
	leaf *x509.Certificate
	used time.Time
}

// identityError says why a webhook's own certificate, key or roots cannot be used: [hook.FailureTLS].
type identityError struct{ reason string }

func (e *identityError) Error() string { return e.reason }

// transport returns the transport for a webhook's own TLS.
func (s *identities) transport(t *hook.TLS, now time.Time) (*http.Transport, error) {
	key := keyOf(t)
	s.mu.Lock()
	s.sweep(now)
	i, ok := s.known[key]
	if ok {
		i.used = now
	}
	s.mu.Unlock()
	if !ok {
		made, err := s.client.newIdentity(t)
		if err != nil {
			return nil, err
		}
		i = s.keep(key, made, now)
	}
	if i.leaf != nil {
		switch {
		case now.After(i.leaf.NotAfter):
			return nil, &identityError{"the webhook's client certificate has expired at " + i.leaf.NotAfter.UTC().Format(time.RFC3339) + ": give it a new one"}
		case now.Before(i.leaf.NotBefore):
			return nil, &identityError{"the webhook's client certificate is not valid before " + i.leaf.NotBefore.UTC().Format(time.RFC3339)}
		}
	}
	return i.transport, nil
}

// keep adds an identity, unless another post has done so first, and removes those that nobody uses any more.
func (s *identities) keep(key identityKey, made *identity, now time.Time) *identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, ok := s.known[key]; ok {
		first.used = now
		return first
	}
	if len(s.known) >= identitiesMax {
		s.forget(s.oldest())
	}
	made.used = now
	s.known[key] = made
	return made
}

// sweep removes the identities that were not used for identityIdle, once in that time. The caller holds the lock.
func (s *identities) sweep(now time.Time) {
	if now.Sub(s.swept) < identityIdle {
		return
	}
	s.swept = now
	for key, i := range s.known {
		if now.Sub(i.used) >= identityIdle {
			s.forget(key)
		}
	}
}

// oldest returns the identity that was not used for the longest time. The caller holds the lock.
func (s *identities) oldest() (oldest identityKey) {
	var used time.Time
	for key, i := range s.known {
		if used.IsZero() || i.used.Before(used) {
			oldest, used = key, i.used
		}
	}
	return oldest
}

// forget drops an identity. The caller holds the lock.
func (s *identities) forget(key identityKey) {
	// Its posts in flight go on; what they leave idle is closed by the transport after idleTimeout.
	s.known[key].transport.CloseIdleConnections()
	delete(s.known, key)
}

func (s *identities) closeIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.known {
		i.transport.CloseIdleConnections()
	}
}

// newIdentity reads the PEM texts.
func (c *Client) newIdentity(t *hook.TLS) (*identity, error) {
	i := new(identity)
	d := *c.dialer
	d.tls = d.tls.Clone()
	d.tls.ClientSessionCache = tls.NewLRUClientSessionCache(identitySessionsMax)
	if t.Certificate != "" || !t.Key.IsZero() {
		pair, err := tls.X509KeyPair([]byte(t.Certificate), []byte(t.Key.Reveal()))
		if err != nil {
			return nil, &identityError{"the webhook's client certificate and key cannot be used: " + trimmed(err)}
		}
		i.leaf, d.tls.Certificates = pair.Leaf, []tls.Certificate{pair}
	}
	if t.Roots != "" {
		d.tls.RootCAs = x509.NewCertPool()
		if !d.tls.RootCAs.AppendCertsFromPEM([]byte(t.Roots)) {
			return nil, &identityError{"the webhook's roots hold no certificate: give them as PEM"}
		}
	}
	i.transport = newTransport(&d, identityIdleConnectionsMax)
	return i, nil
}
