package store

import (
	"encoding/json"
	"fmt"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// Sealer encrypts what is secret before it is stored. It is safe for concurrent use.
type Sealer interface {
	// Seal encrypts for the record that about names, and returns the number of the key.
	Seal(plain []byte, about string) (sealed []byte, key uint32, err error)
	// Open decrypts what was sealed for the same record. Where its key is not held, the error is [hook.ErrLocked].
	Open(sealed []byte, about string) ([]byte, error)
	// Primary is the number of the key that seals; it may change.
	Primary() uint32
	// Numbers are those of all keys that open.
	Numbers() []uint32
	// Problem says why what the keys are read from cannot be used any more, while those that were read stay in force.
	Problem() error
}

// aboutWebhook names a webhook to the sealer. The id is the same in every copy of the store.
func aboutWebhook(id hook.WebhookID) string { return "webhook " + id.String() }

// aboutAnswer names the answer to an Idempotency-Key to the sealer. A contact centre has the same number in every copy of the store.
func aboutAnswer(center hook.ContactCenterNumber, key string) string {
	return fmt.Sprintf("answer %d %s", center, key)
}

// secrecy is what is sealed of a webhook. Its JSON holds the secrets themselves: it exists in memory alone.
type secrecy struct {
	Current       string            `json:"current"`
	Next          string            `json:"next,omitempty"`
	Previous      string            `json:"previous,omitempty"`
	PreviousUntil int64             `json:"previousUntil,omitempty"`
	Headers       map[string]string `json:"headers,omitempty"`
	Basic         *sealedBasic      `json:"basic,omitempty"`
	OAuth2        *sealedOAuth2     `json:"oauth2,omitempty"`
	TLS           sealedTLS         `json:"tls,omitzero"`
}

type sealedBasic struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

type sealedOAuth2 struct {
	TokenURL     string   `json:"tokenUrl"`
	ClientID     string   `json:"clientId"`
	ClientSecret string   `json:"clientSecret"`
	Scopes       []string `json:"scopes,omitempty"`
	Audience     string   `json:"audience,omitempty"`
	InBody       bool     `json:"inBody,omitempty"`
}

type sealedTLS struct {
	Certificate string `json:"certificate,omitempty"`
	Key         string `json:"key,omitempty"`
	Roots       string `json:"roots,omitempty"`
}

// secrecyOf collects what is secret of a webhook, as JSON.
func secrecyOf(w *hook.Webhook) (string, error) {
	s := secrecy{
		Current: w.Secrets.Current.Reveal(), Next: w.Secrets.Next.Reveal(), Previous: w.Secrets.Previous.Reveal(),
		PreviousUntil: milli(w.Secrets.PreviousUntil), Headers: w.Settings.Headers,
	}
	if b := w.Settings.Authorization.Basic; b != nil {
		s.Basic = &sealedBasic{b.Username, b.Password.Reveal()}
	}
	if o := w.Settings.Authorization.OAuth2; o != nil {
		s.OAuth2 = &sealedOAuth2{o.TokenURL, o.ClientID, o.ClientSecret.Reveal(), o.Scopes, o.Audience, o.InBody}
	}
	t := &w.Settings.TLS
	s.TLS = sealedTLS{t.Certificate, t.Key.Reveal(), t.Roots}
	return encodeJSON(s)
}

// fill puts what was sealed into a webhook.
func (s *secrecy) fill(w *hook.Webhook) {
	w.Secrets = hook.Secrets{Current: hook.NewSecret(s.Current), PreviousUntil: fromMilli(s.PreviousUntil)}
	if s.Next != "" {
		w.Secrets.Next = hook.NewSecret(s.Next)
	}
	if s.Previous != "" {
		w.Secrets.Previous = hook.NewSecret(s.Previous)
	}
	c := hook.Credentials{Headers: s.Headers}
	if b := s.Basic; b != nil {
		c.Authorization.Basic = &hook.BasicAuth{Username: b.Username, Password: hook.NewSecret(b.Password)}
	}
	if o := s.OAuth2; o != nil {
		c.Authorization.OAuth2 = &hook.ClientCredentials{
			TokenURL: o.TokenURL, ClientID: o.ClientID, ClientSecret: hook.NewSecret(o.ClientSecret), Scopes: o.Scopes, Audience: o.Audience, InBody: o.InBody,
		}
	}
	if s.TLS != (sealedTLS{}) {
		c.TLS = hook.TLS{Certificate: s.TLS.Certificate, Roots: s.TLS.Roots}
		if s.TLS.Key != "" {
			c.TLS.Key = hook.NewSecret(s.TLS.Key)
		}
	}
	w.Settings.Credentials = c
}

// sealedWebhook is how a webhook is stored: what of it may be read there, and what may not.
type sealedWebhook struct {
	settings string
	sealed   []byte
	key      uint32
}

// seal prepares a webhook for the store.
func (s *Store) seal(w *hook.Webhook) (sealedWebhook, error) {
	open := w.Settings
	open.Credentials = hook.Credentials{}
	settings, err := encodeJSON(open)
	if err != nil {
		return sealedWebhook{}, err
	}
	secret, err := secrecyOf(w)
	if err != nil {
		return sealedWebhook{}, err
	}
	sealed, key, err := s.sealText([]byte(secret), aboutWebhook(w.ID))
	if err != nil {
		return sealedWebhook{}, fmt.Errorf("webhook %s: %w", w.ID, err)
	}
	return sealedWebhook{settings, sealed, key}, nil
}

// unseal completes a webhook that was read. What was stored before anything was sealed has its headers among the settings.
func unseal(sealer Sealer, w *hook.Webhook, sealed []byte, unsealed string) error {
	if len(sealed) == 0 {
		w.Secrets = hook.Secrets{Current: hook.NewSecret(unsealed)}
		return nil
	}
	plain, err := sealer.Open(sealed, aboutWebhook(w.ID))
	if err != nil {
		return fmt.Errorf("secrets of webhook %s: %w", w.ID, err)
	}
	var s secrecy
	if err := json.Unmarshal(plain, &s); err != nil {
		return fmt.Errorf("secrets of webhook %s are not what was sealed", w.ID) // the error would repeat a part of them
	}
	s.fill(w)
	return nil
}

// Sealer returns what encrypts what is secret in this store, for whoever seals something that is not stored.
func (s *Store) Sealer() Sealer { return s.options.Sealer }
