package cli

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"
)

const (
	// caFileEnv is the variable for --ca-file.
	caFileEnv   = "HOOKSWITCH_CA_FILE"
	caFileUsage = "a `file` with certificates in PEM that may sign the server's, beside those that this machine trusts (or " + caFileEnv + ")"
)

// doer makes what sends the requests of a client command.
func (c *connection) doer(timeout time.Duration) (*http.Client, error) {
	doer := &http.Client{Timeout: timeout, CheckRedirect: stay}
	path := firstOf(c.caFile, c.app.env(caFileEnv))
	if path == "" {
		return doer, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usageErrorf("--ca-file cannot be read: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil { // this machine trusts nobody
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, usageErrorf("--ca-file %s holds no certificate in PEM (-----BEGIN CERTIFICATE-----)", path)
	}
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, fmt.Errorf("make client: the default transport is a %T", http.DefaultTransport)
	}
	transport = transport.Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	doer.Transport = transport
	return doer, nil
}
