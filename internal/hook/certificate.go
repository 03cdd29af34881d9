package hook

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The bounds of what is a webhook's own about TLS; sizes of texts are in bytes.
const (
	CertificateBytesMax = 32 << 10 // CertificateBytesMax bounds the client's certificate with those behind it.
	CertificatesMax     = 8        // CertificatesMax bounds how many these are.
	KeyBytesMax         = 16 << 10 // KeyBytesMax bounds the private key.
	RootsBytesMax       = 64 << 10 // RootsBytesMax bounds the roots.
	RootsMax            = 32       // RootsMax bounds how many these are.
	RSABitsMin          = 2_048    // RSABitsMin is the shortest key of RSA (NIST SP 800-131A).
	RSABitsMax          = 8_192    // RSABitsMax is the longest of those that only verify.
	RSAClientBitsMax    = 4_096    // RSAClientBitsMax is the longest that signs each handshake: 5 ms, and with 8,192 bits 145 ms, as measured.
	CurveBitsMin        = 256      // CurveBitsMin is the shortest key of ECDSA.
)

// The types of PEM blocks (RFC 7468).
const (
	pemCertificate = "CERTIFICATE"
	pemKeyEnding   = "PRIVATE KEY" // also RSA PRIVATE KEY and EC PRIVATE KEY
	pemEncrypted   = "ENCRYPTED"
)

// ParseCertificates reads certificates in PEM. Its error says what is wrong and repeats nothing of the text.
func ParseCertificates(text string) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	for rest := []byte(text); len(bytes.TrimSpace(rest)) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if len(list) > 0 && !bytes.Contains(rest, []byte("-----BEGIN")) {
				return list, nil // words behind the last block mean nothing (RFC 7468, section 2)
			}
			return nil, fmt.Errorf("holds a text where certificate %d would be, in place of PEM (-----BEGIN CERTIFICATE-----)", len(list)+1)
		}
		switch {
		case strings.HasSuffix(block.Type, pemKeyEnding):
			return nil, errors.New("holds a private key, which belongs to key alone")
		case block.Type != pemCertificate:
			return nil, fmt.Errorf("holds a PEM block that is no certificate, behind %d that are", len(list))
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d cannot be read as one of X.509", len(list)+1)
		}
		list = append(list, c)
	}
	return list, nil
}

// parseKey reads one private key in PEM that is not encrypted. Its error repeats nothing of the text.
func parseKey(text string) (crypto.Signer, error) {
	block, rest := pem.Decode([]byte(text))
	for block != nil && block.Type == "EC PARAMETERS" { // which openssl ecparam writes before the key
		block, rest = pem.Decode(rest)
	}
	switch {
	case block == nil:
		return nil, errors.New("is not PEM (-----BEGIN PRIVATE KEY-----)")
	case strings.HasPrefix(block.Type, pemEncrypted), strings.Contains(block.Headers["Proc-Type"], pemEncrypted): // RFC 1421 has the latter
		return nil, errors.New("is encrypted with a passphrase: decrypt it first, for example with openssl pkey; it is stored encrypted under the server's own keys")
	case !strings.HasSuffix(block.Type, pemKeyEnding):
		return nil, errors.New("is a PEM block that is no private key")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("holds more than one PEM block: give the private key alone")
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, errors.New("cannot be read as a private key of RSA, ECDSA or Ed25519")
	}
	return signer, nil
}

// weakness says why a key is refused, or nothing.
func weakness(key crypto.PublicKey, rsaBitsMax int) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < RSABitsMin || n > rsaBitsMax {
			return fmt.Sprintf("is an RSA key of %d bits; %d to %d are allowed", n, RSABitsMin, rsaBitsMax)
		}
	case *ecdsa.PublicKey:
		if n := k.Curve.Params().BitSize; n < CurveBitsMin {
			return fmt.Sprintf("is an ECDSA key of %d bits; at least %d are needed", n, CurveBitsMin)
		}
	case ed25519.PublicKey:
	default:
		return "is neither of RSA, ECDSA nor Ed25519"
	}
	return ""
}

// tls checks what is the webhook's own about TLS, but for the time: see [TLS.CheckTime].
func (c *checker) tls(prefix string, t *TLS) {
	c.roots(prefix+"roots", t.Roots)
	at, key := prefix+"certificate", prefix+"key"
	switch {
	case t.Certificate == "" && t.Key.IsZero():
		return
	case t.Certificate == "":
		c.fail(at, "", "is missing: a key says nothing without its certificate")
		return
	case len(t.Certificate) > CertificateBytesMax:
		c.fail(at, "", "is %d bytes long; at most %d are allowed", len(t.Certificate), CertificateBytesMax)
		return
	}
	chain, err := ParseCertificates(t.Certificate)
	switch {
	case err != nil:
		c.fail(at, "", "%v", err)
	case len(chain) == 0:
		c.fail(at, "", "holds no certificate")
	case len(chain) > CertificatesMax:
		c.fail(at, "", "holds %d certificates; at most %d are allowed", len(chain), CertificatesMax)
	default:
		c.chain(at, chain)
	}
	if t.Key.IsZero() {
		c.fail(key, "", "is missing: give the certificate's private key")
		return
	}
	if n := len(t.Key.Reveal()); n > KeyBytesMax {
		c.fail(key, "", "is %d bytes long; at most %d are allowed", n, KeyBytesMax)
		return
	}
	private, err := parseKey(t.Key.Reveal())
	if err != nil {
		c.fail(key, "", "%v", err)
		return
	}
	if weak := weakness(private.Public(), RSAClientBitsMax); weak != "" {
		c.fail(key, "", "%s", weak)
	} else if public, ok := private.Public().(interface{ Equal(crypto.PublicKey) bool }); ok && len(chain) > 0 && !public.Equal(chain[0].PublicKey) {
		c.fail(key, "", "does not belong to the certificate (the first one, where there are several)")
	}
}

// chain checks that each certificate is followed by the one that issued it: the order of RFC 8446, section 4.4.2, which some receivers
// insist on.
func (c *checker) chain(field string, chain []*x509.Certificate) {
	for i, cert := range chain {
		rsaBitsMax := RSABitsMax
		if i == 0 { // the client's own
			rsaBitsMax = RSAClientBitsMax
		}
		if weak := weakness(cert.PublicKey, rsaBitsMax); weak != "" {
			c.fail(field, "", "the key of certificate %d %s", i+1, weak)
			return
		}
		if i+1 < len(chain) && cert.CheckSignatureFrom(chain[i+1]) != nil {
			c.fail(field, "", "certificate %d was not issued by the one behind it: the client's own comes first, then each one's issuer", i+1)
			return
		}
	}
	if usages := chain[0].ExtKeyUsage; len(usages) > 0 && !forClients(usages) {
		c.fail(field, "", "is not for TLS clients: its extended key usage lacks clientAuth")
	}
}

func forClients(usages []x509.ExtKeyUsage) bool {
	for _, u := range usages {
		if u == x509.ExtKeyUsageClientAuth || u == x509.ExtKeyUsageAny {
			return true
		}
	}
	return false
}

func (c *checker) roots(field, text string) {
	if text == "" {
		return
	}
	if len(text) > RootsBytesMax {
		c.fail(field, "", "is %d bytes long; at most %d are allowed", len(text), RootsBytesMax)
		return
	}
	list, err := ParseCertificates(text)
	switch {
	case err != nil:
		c.fail(field, "", "%v", err)
	case len(list) == 0:
		c.fail(field, "", "holds no certificate")
	case len(list) > RootsMax:
		c.fail(field, "", "holds %d certificates; at most %d are allowed", len(list), RootsMax)
	}
	for i, root := range list {
		if weak := weakness(root.PublicKey, RSABitsMax); weak != "" {
			c.fail(field, "", "the key of certificate %d %s", i+1, weak)
			return
		}
	}
}

// CheckTime refuses a certificate of the client's that has expired; the error is an [InvalidError] with the prefix before each name. It is
// for one that is given now: one that was stored and has expired since is no reason to refuse another change. One that begins later is
// taken, because it may be installed before its day.
func (t *TLS) CheckTime(prefix string, now time.Time) error {
	c := new(checker)
	if chain, err := ParseCertificates(t.Certificate); err == nil { // what cannot be read was told by [Settings.Validate]
		for i, cert := range chain {
			if now.After(cert.NotAfter) {
				c.fail(prefix+"certificate", "", "certificate %s has expired at %s", strconv.Itoa(i+1), cert.NotAfter.UTC().Format(time.RFC3339))
			}
		}
	}
	return c.err()
}
