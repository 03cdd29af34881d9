package gate_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookswitch/hookswitch/internal/gate"
)

// pair makes a certificate for this machine that ends at a time, and its key.
func pair(t *testing.T, notAfter time.Time) (chain, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(notAfter.Unix()), Subject: pkix.Name{CommonName: "hookswitch.test"}, NotBefore: notAfter.AddDate(-1, 0, 0), NotAfter: notAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

func write(t *testing.T, path string, text []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, text, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // the umask has no say
		t.Fatal(err)
	}
}

// lines is a log that a test reads.
type lines struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

// TestCertificateReload shows that a new pair is taken soon after both of its files are there; that between them, and when one is broken or may be
// read by others, the pair before stays in use; and that this is told once.
func TestCertificateReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
		first, second, third := time.Now().AddDate(1, 0, 0), time.Now().AddDate(2, 0, 0), time.Now().AddDate(3, 0, 0)
		chain, key := pair(t, first)
		write(t, certFile, chain, 0o644)
		write(t, keyFile, key, 0o600)
		var log lines
		c, err := gate.OpenCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		told := make(chan os.Signal)
		go func() { ended <- c.Run(ctx, told) }()
		looks := func(n int) {
			<-time.After(time.Duration(n)*gate.LookEvery + time.Millisecond)
			synctest.Wait()
		}
		check := func(when string, notAfter time.Time, broken bool, complaints int) {
			t.Helper()
			if got := c.NotAfter(); got.Unix() != notAfter.Unix() || c.Broken() != broken || log.count("certificate not taken") != complaints {
				t.Errorf("%s: ends %v, broken %v, told %d times; want %v, %v, %d", when, got, c.Broken(), log.count("certificate not taken"), notAfter, broken, complaints)
			}
		}
		looks(3)
		check("nothing changed", first, false, 0)
		newChain, newKey := pair(t, second)
		write(t, certFile, newChain, 0o644)
		looks(1)
		check("half written", first, false, 0)
		write(t, keyFile, newKey, 0o600)
		looks(1)
		check("whole", second, false, 0)
		write(t, keyFile, newKey[:len(newKey)/2], 0o600)
		looks(10)
		check("broken for long", second, true, 1)
		write(t, keyFile, newKey, 0o600)
		looks(1)
		check("mended", second, false, 1)
		thirdChain, thirdKey := pair(t, third)
		write(t, certFile, thirdChain, 0o644)
		write(t, keyFile, thirdKey, 0o644)
		looks(3)
		check("a key for everybody", second, true, 2)
		if err := os.Chmod(keyFile, 0o640); err != nil {
			t.Fatal(err)
		}
		told <- os.Interrupt // any signal that is passed on means to look now
		synctest.Wait()
		check("a key for a group, at once", third, false, 2)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestCertificateRefused shows that a server does not start with a pair that it cannot use, and says how to mend that.
func TestCertificateRefused(t *testing.T) {
	chain, key := pair(t, time.Now().AddDate(1, 0, 0))
	_, other := pair(t, time.Now().AddDate(1, 0, 0))
	for name, c := range map[string]struct {
		key  []byte
		mode os.FileMode
		want string
	}{
		"a key for everybody": {key, 0o604, "chmod 600"},
		"another's key":       {other, 0o600, "private key does not match public key"},
		"no key":              {nil, 0o600, "failed to find any PEM data in key input"},
		"a file too large":    {bytes.Repeat([]byte("x"), 2<<20), 0o600, "larger than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
			write(t, certFile, chain, 0o644)
			write(t, keyFile, c.key, c.mode)
			if _, err := gate.OpenCertificate(certFile, keyFile, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
