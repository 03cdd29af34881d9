package signature

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // HMAC-SHA1 is what the contract demands; HMAC does not rest on collision resistance.
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"sync"
	"time"
)

// The headers that carry signatures, and what the Standard Webhooks signature covers beside the body.
const (
	// HubHeader carries "sha1=" and 40 hex digits.
	HubHeader = "X-Hub-Signature"
	// Hub256Header carries "sha256=" and 64 hex digits.
	Hub256Header = "X-Hub-Signature-256"
	// IDHeader carries the id of the message, the same on every attempt.
	IDHeader = "webhook-id"
	// TimestampHeader carries the time of the attempt in seconds since 1970.
	TimestampHeader = "webhook-timestamp"
	// StandardHeader carries one or several signatures, each "v1," and base64, separated by spaces.
	StandardHeader = "webhook-signature"
)

const (
	prefixSHA1     = "sha1="
	prefixSHA256   = "sha256="
	prefixStandard = "v1,"

	// signatureBytesMax is enough for any one signature, so that it can be built on the stack.
	signatureBytesMax = len(prefixSHA256) + 2*sha256.Size
)

// SHA1 gives the value of HubHeader for body. Who signs often with one secret uses a Signer.
func SHA1(secret, body []byte) string { return NewSigner(secret).Hub(body) }

// SHA256 gives the value of Hub256Header for body.
func SHA256(secret, body []byte) string { return NewSigner(secret).Hub256(body) }

// Standard gives the value of StandardHeader for body, to be sent with id in IDHeader and at, in seconds, in
// TimestampHeader.
func Standard(secret []byte, id string, at time.Time, body []byte) string {
	return NewSigner(secret).Standard(id, at, body)
}

// Signer signs with one secret. It keeps the keyed state of the HMACs, so that a signature costs only the hashing of
// the body. It may be used from many goroutines.
type Signer struct {
	secret []byte
	key    []byte // For Standard Webhooks.
	pool   sync.Pool
}

// NewSigner makes a Signer. The secret's own bytes are the key of HubHeader and Hub256Header; the key of
// StandardHeader is that of StandardKey.
func NewSigner(secret []byte) *Signer {
	secret = bytes.Clone(secret)
	return &Signer{secret: secret, key: standardKey(secret)}
}

// Format prints three asterisks in place of the secret, whatever the verb.
func (s *Signer) Format(f fmt.State, _ rune) {
	// A State that cannot be written to has no way of being told so: fmt ignores it as well.
	_, _ = f.Write([]byte("***"))
}

// AppendHub appends the value of HubHeader to dst.
func (s *Signer) AppendHub(dst, body []byte) []byte {
	m := s.get()
	defer s.pool.Put(m)
	return hex.AppendEncode(append(dst, prefixSHA1...), m.sum(schemeSHA1, nil, body))
}

// AppendHub256 appends the value of Hub256Header to dst.
func (s *Signer) AppendHub256(dst, body []byte) []byte {
	m := s.get()
	defer s.pool.Put(m)
	return hex.AppendEncode(append(dst, prefixSHA256...), m.sum(schemeSHA256, nil, body))
}

// AppendStandard appends the value of StandardHeader to dst.
func (s *Signer) AppendStandard(dst []byte, id string, at time.Time, body []byte) []byte {
	m := s.get()
	defer s.pool.Put(m)
	m.head = append(m.head[:0], id...)
	m.head = append(m.head, '.')
	m.head = strconv.AppendInt(m.head, at.Unix(), 10)
	m.head = append(m.head, '.')
	return base64.StdEncoding.AppendEncode(append(dst, prefixStandard...), m.sum(schemeStandard, m.head, body))
}

// Hub gives the value of HubHeader.
func (s *Signer) Hub(body []byte) string {
	var buffer [signatureBytesMax]byte
	return string(s.AppendHub(buffer[:0], body))
}

// Hub256 gives the value of Hub256Header.
func (s *Signer) Hub256(body []byte) string {
	var buffer [signatureBytesMax]byte
	return string(s.AppendHub256(buffer[:0], body))
}

// Standard gives the value of StandardHeader.
func (s *Signer) Standard(id string, at time.Time, body []byte) string {
	var buffer [signatureBytesMax]byte
	return string(s.AppendStandard(buffer[:0], id, at, body))
}

func (s *Signer) get() *macs {
	if m, ok := s.pool.Get().(*macs); ok {
		return m
	}
	return newMACs(s.secret, s.key)
}

// scheme says how a MAC is made.
type scheme uint8

const (
	schemeSHA1 scheme = iota
	schemeSHA256
	schemeStandard
)

func (s scheme) size() int {
	if s == schemeSHA1 {
		return sha1.Size
	}
	return sha256.Size
}

func (s scheme) String() string {
	switch s {
	case schemeSHA1:
		return "sha1"
	case schemeSHA256:
		return "sha256"
	case schemeStandard:
		return "v1"
	}
	return "unknown"
}

// macs is the keyed state of one secret, for one goroutine at a time.
type macs struct {
	secret, key []byte
	hashes      [3]hash.Hash // By scheme; made when first needed.
	head        []byte
	result      [sha256.Size]byte
}

func newMACs(secret, key []byte) *macs {
	return &macs{secret: secret, key: key}
}

// sum gives the MAC of head and body. The result is valid until the next call.
func (m *macs) sum(s scheme, head, body []byte) []byte {
	h := m.hashes[s]
	if h == nil {
		switch s {
		case schemeSHA1:
			h = hmac.New(sha1.New, m.secret)
		case schemeSHA256:
			h = hmac.New(sha256.New, m.secret)
		case schemeStandard:
			h = hmac.New(sha256.New, m.key)
		}
		m.hashes[s] = h
	}
	// The first Reset makes crypto/hmac keep the keyed state; later ones only copy it.
	h.Reset()
	h.Write(head)
	h.Write(body)
	return h.Sum(m.result[:0])
}
