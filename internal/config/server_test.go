package config_test

import (
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/internal/config"
)

// TestCertificateNeedsBothFiles shows that a certificate without its key is refused, and the other way round, by the name of what is missing.
func TestCertificateNeedsBothFiles(t *testing.T) {
	for given, missing := range map[string]string{"tls-cert": "tls-key", "tls-key": "tls-cert"} {
		_, err := config.Load(from(t, map[string]string{given: "file.pem"}, nil, ""))
		if err == nil || !strings.Contains(err.Error(), missing+" is empty: tls-cert and tls-key are needed together") {
			t.Errorf("%s alone: %v", given, err)
		}
	}
}
