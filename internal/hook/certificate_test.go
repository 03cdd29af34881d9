package hook_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// identity is a certificate with its key.
type identity struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func epoch() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// issue makes a certificate; who issues none is issued by itself.
func issue(t *testing.T, name string, key crypto.Signer, by *identity, change ...func(*x509.Certificate)) *identity {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: epoch(), NotAfter: epoch().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	for _, c := range change {
		c(template)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.certificate, by.key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &identity{c, key}
}

func curve(t *testing.T, c elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func block(kind string, raw []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}))
}

func (i *identity) pem() string { return block("CERTIFICATE", i.certificate.Raw) }

func (i *identity) private(t *testing.T) string {
	t.Helper()
	raw, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return block("PRIVATE KEY", raw)
}

func readKey(t *testing.T, path string) crypto.Signer {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(first.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		t.Fatalf("%s holds a %T", path, key)
	}
	return signer
}

func TestTLS(t *testing.T) {
	root := issue(t, "root", curve(t, elliptic.P384()), nil)
	middle := issue(t, "middle", curve(t, elliptic.P256()), root)
	client := issue(t, "client", curve(t, elliptic.P256()), middle)
	server := issue(t, "server", curve(t, elliptic.P256()), root, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	weakCurve := issue(t, "weak", curve(t, elliptic.P224()), nil)
	short, err := rsa.GenerateKey(rand.Reader, 1_024)
	if err != nil {
		t.Fatal(err)
	}
	weak := issue(t, "weak", short, nil)
	long, err := rsa.GenerateKey(rand.Reader, 2_048)
	if err != nil {
		t.Fatal(err)
	}
	strong := issue(t, "strong", long, nil)
	slow := issue(t, "slow", readKey(t, "testdata/rsa5120.pem"), nil) // to make one takes seconds
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edward := issue(t, "edward", edwards, nil)
	key := client.private(t)
	encrypted := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte("x")}))
	for name, test := range map[string]struct {
		certificate, key, roots string
		field, want             string
	}{
		"nothing":                  {},
		"a pair":                   {certificate: client.pem(), key: key},
		"a chain":                  {certificate: client.pem() + middle.pem() + root.pem(), key: key},
		"words around":             {certificate: "Certificate of ours\n" + client.pem() + "the end\n", key: key},
		"RSA in PKCS 1":            {certificate: strong.pem(), key: block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(long))},
		"Ed25519":                  {certificate: edward.pem(), key: edward.private(t)},
		"roots":                    {roots: root.pem() + strong.pem()},
		"roots of 224 bits":        {roots: weakCurve.pem(), field: "tls.roots", want: "the key of certificate 1 is an ECDSA key of 224 bits"},
		"roots of nothing":         {roots: " \n", field: "tls.roots", want: "holds no certificate"},
		"roots of words":           {roots: "horse", field: "tls.roots", want: "holds a text where certificate 1 would be"},
		"roots with a key":         {roots: key, field: "tls.roots", want: "holds a private key"},
		"roots cut off":            {roots: root.pem() + root.pem()[:100], field: "tls.roots", want: "certificate 2 would be"},
		"roots of a request":       {roots: block("CERTIFICATE REQUEST", []byte("x")), field: "tls.roots", want: "no certificate"},
		"roots not X.509":          {roots: block("CERTIFICATE", []byte("x")), field: "tls.roots", want: "certificate 1 cannot be read"},
		"too many roots":           {roots: strings.Repeat(root.pem(), 33), field: "tls.roots", want: "holds 33 certificates; at most 32"},
		"too many bytes":           {roots: strings.Repeat("\n", 64<<10) + root.pem(), field: "tls.roots", want: "at most 65536 are allowed"},
		"no key":                   {certificate: client.pem(), field: "tls.key", want: "is missing"},
		"no certificate":           {key: key, field: "tls.certificate", want: "is missing"},
		"another key":              {certificate: client.pem(), key: middle.private(t), field: "tls.key", want: "does not belong to the certificate"},
		"another kind of key":      {certificate: client.pem(), key: strong.private(t), field: "tls.key", want: "does not belong to the certificate"},
		"a chain upside down":      {certificate: root.pem() + middle.pem() + client.pem(), key: root.private(t), field: "tls.certificate", want: "certificate 1 was not issued by the one behind it"},
		"a gap in the chain":       {certificate: client.pem() + root.pem(), key: key, field: "tls.certificate", want: "certificate 1 was not issued"},
		"for servers":              {certificate: server.pem(), key: server.private(t), field: "tls.certificate", want: "clientAuth"},
		"RSA of 1,024 bits":        {certificate: weak.pem(), key: weak.private(t), field: "tls.certificate tls.key", want: "RSA key of 1024 bits; 2048 to 4096"},
		"RSA of 5,120 bits":        {certificate: slow.pem(), key: slow.private(t), field: "tls.certificate tls.key", want: "RSA key of 5120 bits; 2048 to 4096"},
		"RSA of 5,120 bits behind": {roots: slow.pem()},
		"encrypted":                {certificate: client.pem(), key: encrypted, field: "tls.key", want: "is encrypted"},
		"encrypted in PKCS 8":      {certificate: client.pem(), key: block("ENCRYPTED PRIVATE KEY", []byte("x")), field: "tls.key", want: "is encrypted"},
		"a key that is none":       {certificate: client.pem(), key: "horse", field: "tls.key", want: "is not PEM"},
		"a certificate as the key": {certificate: client.pem(), key: client.pem(), field: "tls.key", want: "no private key"},
		"two keys":                 {certificate: client.pem(), key: key + key, field: "tls.key", want: "more than one"},
		"a key of nonsense":        {certificate: client.pem(), key: block("PRIVATE KEY", []byte("x")), field: "tls.key", want: "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			s := validSettings()
			s.TLS = hook.TLS{Certificate: test.certificate, Key: hook.NewSecret(test.key), Roots: test.roots}
			err := s.Validate("")
			checkFields(t, err, append([]string(nil), strings.Fields(test.field)...)...)
			if err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	facts := hook.Facts(client.pem() + middle.pem())
	sum := sha256.Sum256(client.certificate.Raw)
	if len(facts) != 2 || facts[0].Subject != "CN=client" || facts[0].Issuer != "CN=middle" || facts[0].Fingerprint != hex.EncodeToString(sum[:]) {
		t.Errorf("facts %+v", facts)
	}
}

// A certificate is refused from the moment on at which it has expired.
func TestTLSCheckTime(t *testing.T) {
	tls := hook.TLS{Certificate: issue(t, "client", curve(t, elliptic.P256()), nil).pem()}
	end := epoch().AddDate(1, 0, 0)
	if err := tls.CheckTime("", end); err != nil {
		t.Errorf("at its end: %v", err)
	}
	checkFields(t, tls.CheckTime("tls.", end.Add(time.Second)), "tls.certificate")
}
