package config

// parseOptionalListen takes an address, or nothing.
func parseOptionalListen(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	return parseListen(text)
}

// tlsProblems tells when one file of the certificate is named and the other is not.
func (c *Config) tlsProblems() []Problem {
	var missing string
	switch {
	case c.TLS.Cert != "" && c.TLS.Key == "":
		missing = "tls-key"
	case c.TLS.Cert == "" && c.TLS.Key != "":
		missing = "tls-cert"
	default:
		return nil
	}
	for _, s := range c.settings {
		if s.Name == missing {
			return []Problem{{Key: missing, Origin: s.Origin, Message: "is empty: tls-cert and tls-key are needed together"}}
		}
	}
	return nil
}
