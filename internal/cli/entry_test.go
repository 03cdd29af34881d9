package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// certify writes a certificate for 127.0.0.1 with a serial number, which signs itself, and its key.
func certify(t *testing.T, certFile, keyFile string, serial int64) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "hookswitch.test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
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
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestServeTLS runs a server on https with a certificate of nobody that the machine trusts: the commands reach it with --ca-file and not without, it
// speaks HTTP/2 and TLS 1.2 at least, its URLs are https, its answers ask browsers to stay with https, and SIGHUP takes a new certificate.
func TestServeTLS(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	certify(t, certFile, keyFile, 1)
	p := launch(t, []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey}, "", "serve", "--listen", "127.0.0.1:0", "--database", filepath.Join(dir, "h.db"),
		"--tls-cert", certFile, "--tls-key", keyFile)
	url := p.await(&p.stderr, `msg=listening url=(https://127.0.0.1:\d+) public_url=https://127.0.0.1`)[1]
	env := []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey, "HOOKSWITCH_SERVER=" + url}
	if code, stdout, stderr := run(t, append(env, "HOOKSWITCH_CA_FILE="+certFile), "", "interactions", "create", "--json"); code != 0 || !strings.Contains(stdout, `"selfUri": "`+url) {
		t.Errorf("with the CA in the environment: %d, %s%s", code, stdout, stderr)
	}
	if code, _, stderr := run(t, env, "", "health", "--ca-file", certFile); code != 0 {
		t.Errorf("health with --ca-file: %s", stderr)
	}
	if code, _, stderr := run(t, env, "", "webhooks", "list"); code != 6 || !strings.Contains(stderr, "--ca-file or HOOKSWITCH_CA_FILE names") {
		t.Errorf("without a CA: %d, %s", code, stderr)
	}
	if code, _, stderr := run(t, env, "", "webhooks", "list", "--server", strings.Replace(url, "https", "http", 1)); code != 2 || !strings.Contains(stderr, "wants https") {
		t.Errorf("without TLS: %d, %s", code, stderr)
	}
	if code, _, stderr := run(t, env, "", "serve", "--listen", "127.0.0.1:0", "--tls-cert", certFile, "--tls-key", certFile); code != 2 || !strings.Contains(stderr, "tls-cert and tls-key cannot be used") {
		t.Errorf("with a key that is none: %d, %s", code, stderr)
	}
	if code, _, stderr := run(t, env, "", "webhooks", "list", "--ca-file", keyFile); code != 2 || !strings.Contains(stderr, "holds no certificate in PEM") {
		t.Errorf("with a file that is none: %d, %s", code, stderr)
	}
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	if c, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), old); err == nil {
		t.Errorf("TLS 1.1 was accepted: %v", c.Close())
	}
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	get := func() (protocol int, serial int64, transportSecurity string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/healthz", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		return resp.ProtoMajor, resp.TLS.PeerCertificates[0].SerialNumber.Int64(), resp.Header.Get("Strict-Transport-Security")
	}
	protocol, serial, secure := get()
	if protocol != 2 || serial != 1 || secure != "max-age=31536000" {
		t.Errorf("got HTTP/%d, certificate %d, %q", protocol, serial, secure)
	}
	certify(t, certFile, keyFile, 2)
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.await(&p.stderr, `msg="certificate taken"`)
	if _, serial, _ := get(); serial != 2 {
		t.Errorf("after SIGHUP the certificate is %d", serial)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("the server ended with %d: %s", code, p.stderr.String())
	}
}

// TestServeOperations shows that the operators' listener has the metrics without a key, and profiles; that the other one has no profiles; and that
// only an address that others may reach is warned of.
func TestServeOperations(t *testing.T) {
	for address, warned := range map[string]bool{"127.0.0.1:0": false, "0.0.0.0:0": true} {
		p := launch(t, []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey}, "", "serve", "--listen", "127.0.0.1:0", "--database", filepath.Join(t.TempDir(), "h.db"),
			"--operations-listen", address)
		url := p.await(&p.stderr, `msg=listening url=(\S+)`)[1]
		operations := p.await(&p.stderr, `msg="listening for operators" url=(http://127.0.0.1:\d+)`)[1]
		for path, want := range map[string]int{
			operations + "/metrics": 200, operations + "/debug/pprof/heap": 200, operations + "/readyz": 200, operations + "/v1/webhooks": 404,
			url + "/debug/pprof/": 404, url + "/debug/pprof/heap": 404, url + "/metrics": 401,
		} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Close = true
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			if err != nil || resp.Body.Close() != nil || resp.StatusCode != want {
				t.Errorf("%s: %d, %v, %.100s", path, resp.StatusCode, err, text)
			}
			if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %v", path, resp.Header)
			}
		}
		if code := p.stop(); code != 0 || strings.Contains(p.stderr.String(), "asks for no key") != warned {
			t.Errorf("%s: ended with %d: %s", address, code, p.stderr.String())
		}
	}
}
