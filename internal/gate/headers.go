package gate

import (
	"net/http"
	"net/url"
)

// transportSecurity is what Strict-Transport-Security says: a year, as browsers' preload lists ask for at least.
const transportSecurity = "max-age=31536000"

// Headers returns what every answer says, as long as its handler says nothing else. They are for browsers, which should show, frame
// and keep nothing of an API.
func Headers(tls bool) map[string]string {
	h := map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cache-Control":                "no-store",
	}
	if tls {
		h["Strict-Transport-Security"] = transportSecurity
	}
	return h
}

// Protect puts the headers on every answer and refuses what browsers send for other origins; refuse answers it. publicURL is an origin of our
// own, for proxies that send another Host; https says that it, or the listener, is reached by TLS.
func Protect(next http.Handler, publicURL string, refuse http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	https := false
	if u, err := url.Parse(publicURL); err == nil && u.Host != "" {
		https = u.Scheme == "https"
		// It is a scheme and a host, as it has to be: what cannot be trusted is not.
		_ = origins.AddTrustedOrigin(u.Scheme + "://" + u.Host)
	}
	origins.SetDenyHandler(refuse)
	inner, headers := origins.Handler(next), http.Header{}
	for name, value := range Headers(https) {
		headers.Set(name, value)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for name, value := range headers {
			h[name] = value // shared by all answers: whoever adds to it makes a copy, for it is full
		}
		inner.ServeHTTP(w, r)
	})
}
