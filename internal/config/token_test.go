package config_test

import (
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/internal/config"
)

// What only works together is refused when a part is missing, and the message names it.
func TestOIDCTogether(t *testing.T) {
	const issuer = "https://login.example.com"
	for name, c := range map[string]struct {
		flags map[string]string
		want  string
	}{
		"no audience":       {map[string]string{"oidc-issuer": issuer}, "oidc-audience"},
		"an audience alone": {map[string]string{"oidc-audience": "hookswitch"}, "oidc-issuer"},
		"a CA alone":        {map[string]string{"oidc-ca-file": "ca.pem"}, "oidc-issuer"},
		"sign-in alone":     {map[string]string{"oidc-issuer": issuer, "oidc-client-id": "console"}, ""},
		"a client alone":    {map[string]string{"oidc-client-id": "console"}, "oidc-issuer"},
		"a secret alone":    {map[string]string{"oidc-issuer": issuer, "oidc-audience": "a", "oidc-client-secret": "s"}, "oidc-client-id"},
		"both":              {map[string]string{"oidc-issuer": issuer, "oidc-audience": "hookswitch"}, ""},
		"loopback":          {map[string]string{"oidc-issuer": "http://localhost:8080/realms/x", "oidc-audience": "hookswitch"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Load(from(t, c.flags, nil, ""))
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want+" is needed where")):
				t.Errorf("got %v", err)
			}
		})
	}
}
