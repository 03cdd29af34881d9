package signature

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// SignaturesMax bounds how many signatures of one POST are looked at. A sender in the middle of a rotation sends two.
const SignaturesMax = 16

// Verify checks the signature that header carries over body in Hub256Header, HubHeader or both. Where both are
// present both must be right, so that nobody who can break the weaker one can make the stronger one not count; the
// Genesys original sends only HubHeader, so that alone is enough. The secrets are those valid now: usually one, two
// during a rotation. The error is an *Error.
func Verify(header http.Header, body []byte, secrets ...[]byte) error {
	return NewVerifier(secrets...).Verify(header, body)
}

// VerifyHub checks one value, of HubHeader or Hub256Header, over body. The error is an *Error.
func VerifyHub(value string, body []byte, secrets ...[]byte) error {
	return NewVerifier(secrets...).VerifyHub(value, body)
}

// Verifier verifies with a fixed set of secrets, faster than the functions of the same names because it keeps their
// keyed state. It may be used from many goroutines.
type Verifier struct {
	signers []*Signer
	places  []int // Of the signers' secrets among those given.
}

// NewVerifier makes a Verifier. Empty secrets are left out, because everybody could sign with them; a Verifier that
// is left with none refuses everything.
func NewVerifier(secrets ...[]byte) *Verifier {
	v := &Verifier{}
	for i, secret := range secrets {
		if len(secret) > 0 {
			v.signers = append(v.signers, NewSigner(secret))
			v.places = append(v.places, i)
		}
	}
	return v
}

// Verify is the function Verify.
func (v *Verifier) Verify(header http.Header, body []byte) error {
	_, err := v.headers(header, body, true)
	return err
}

// Check is Verify without the search for a changed body or secret, which costs a rejected body about a hundred times
// the work of an accepted one. Its WrongSecret means WrongSecret or BodyChanged. It is for those who must bound what a
// sender of garbage can cost them; see Patience.
func (v *Verifier) Check(header http.Header, body []byte) error {
	_, err := v.headers(header, body, false)
	return err
}

// Which is Check for a receiver in the middle of a rotation: it also tells which secret signed, as its place among those
// given to NewVerifier, counted from 0. Where both headers are present that is the secret of HubHeader. A sender that
// rotates signs with the secret that is current for it, so when only the new one is seen, the old one can be dropped.
func (v *Verifier) Which(header http.Header, body []byte) (secret int, err error) {
	at, err := v.headers(header, body, false)
	if err != nil {
		return -1, err
	}
	return v.places[at], nil
}

// VerifyHub is the function VerifyHub.
func (v *Verifier) VerifyHub(value string, body []byte) error {
	if len(v.signers) == 0 {
		return noSecret()
	}
	_, err := v.hub("the value", []string{value}, body, true)
	return err
}

func (v *Verifier) headers(header http.Header, body []byte, search bool) (signer int, err error) {
	if len(v.signers) == 0 {
		return -1, noSecret()
	}
	hub, hub256 := header.Values(HubHeader), header.Values(Hub256Header)
	if len(hub)+len(hub256) == 0 {
		detail := "neither " + Hub256Header + " nor " + HubHeader + " is present"
		if header.Get(StandardHeader) != "" {
			detail += "; there is a " + StandardHeader + ", which VerifyStandard verifies"
		}
		return -1, &Error{NoHeader, detail}
	}
	if len(hub256) > 0 {
		if signer, err = v.hub(Hub256Header, hub256, body, search); err != nil {
			return signer, err
		}
	}
	if len(hub) > 0 {
		return v.hub(HubHeader, hub, body, search)
	}
	return signer, nil
}

// hub verifies the values of one header; one of them must be right, and it tells whose it is. If none is, the error is about the first.
func (v *Verifier) hub(name string, values []string, body []byte, search bool) (signer int, err error) {
	var macs [schemeSHA256 + 1][][]byte
	for _, value := range values[:min(len(values), SignaturesMax)] {
		if s, mac, malformed := parseHub(name, value); malformed == nil {
			macs[s] = append(macs[s], mac)
		}
	}
	for s := range macs {
		if at := v.find(scheme(s), nil, body, macs[s]); at >= 0 {
			return at, nil
		}
	}
	s, mac, malformed := parseHub(name, values[0])
	a := attempt{name: name, scheme: s, body: body, macs: [][]byte{mac}}
	if malformed == nil {
		return -1, v.mismatch(a, search)
	}
	if malformed.Reason == Base64NotHex && search && v.match(s, nil, body, a.macs) {
		malformed.Detail += "; apart from that it is the right signature"
	}
	return -1, malformed
}

// match reports whether a secret makes one of these MACs.
func (v *Verifier) match(s scheme, head, body []byte, macs [][]byte) bool {
	return v.find(s, head, body, macs) >= 0
}

// find returns the first signer that makes one of these MACs, or -1. It tries every secret against every MAC, so that the
// time tells nothing about which one was right, or how nearly.
func (v *Verifier) find(s scheme, head, body []byte, macs [][]byte) int {
	if len(macs) == 0 {
		return -1
	}
	at := -1
	for i, signer := range slices.Backward(v.signers) {
		m := signer.get()
		sum, found := m.sum(s, head, body), 0
		for _, mac := range macs {
			found |= subtle.ConstantTimeCompare(sum, mac)
		}
		at = subtle.ConstantTimeSelect(found, i, at)
		signer.pool.Put(m)
	}
	return at
}

// attempt is a well-formed signature that no secret made.
type attempt struct {
	name   string
	scheme scheme
	head   []byte
	body   []byte
	macs   [][]byte
}

// mismatch says why no secret made the signature, as well as can be found out.
func (v *Verifier) mismatch(a attempt, search bool) *Error {
	tried := "the secret"
	if n := len(v.signers); n > 1 {
		tried = fmt.Sprintf("any of the %d secrets", n)
	}
	detail := fmt.Sprintf("%s is well-formed, but is not what %s makes of this body (%d bytes)", a.name, tried, len(a.body))
	switch {
	case !search:
		return &Error{WrongSecret, detail}
	case len(a.body) > SearchBytesMax:
		return &Error{WrongSecret, fmt.Sprintf("%s; bodies over %d bytes are not searched for a change", detail, SearchBytesMax)}
	}
	for change, body := range spellings(a.body) {
		if !bytes.Equal(body, a.body) && v.match(a.scheme, a.head, body, a.macs) {
			return &Error{BodyChanged, a.name + " is the signature of this body " + change}
		}
	}
	for _, signer := range v.signers {
		for change, key := range misreadings(signer.secret) {
			other := &Verifier{signers: []*Signer{{secret: key, key: key}}}
			if len(key) > 0 && other.match(a.scheme, a.head, a.body, a.macs) {
				return &Error{WrongSecret, a.name + " was made with this secret " + change}
			}
		}
	}
	if hint := v.malformedSecret(a.scheme); hint != "" {
		detail += "; " + hint
	}
	return &Error{WrongSecret, detail}
}

// malformedSecret tells of a secret that looks like one for Standard Webhooks and is not.
func (v *Verifier) malformedSecret(s scheme) string {
	if s != schemeStandard {
		return ""
	}
	for i, signer := range v.signers {
		if _, err := StandardKey(string(signer.secret)); err != nil {
			// The error is left out: it could quote the secret.
			return fmt.Sprintf("secret %d begins with %s but is not followed by base64, so its bytes were used as they are", i+1, SecretPrefix)
		}
	}
	return ""
}

func noSecret() *Error {
	return &Error{NoSecret, "no secret was given, or only empty ones"}
}

// shorten bounds what an error quotes of a header.
func shorten(value string) string {
	const quotedBytesMax = 80
	if len(value) > quotedBytesMax {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(value[:quotedBytesMax], ""))
	}
	return fmt.Sprintf("%q", value)
}
