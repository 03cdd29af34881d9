package hook

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// echoBytesMin is the length of the shortest value that is looked for in an answer: a shorter one stands in many answers by chance.
const echoBytesMin = 8

// Conceal replaces in the answer what the post has shown the receiver and nobody else may see, and the receiver may have repeated: values of
// headers that are the webhook's own, what is in an Authorization header, and values of the URL's query. An answer's beginning and error
// are kept, unsealed, and shown to whoever reads attempts. What the receiver has encoded in other ways than these is not found.
func (p *Post) Conceal(a *Answer) {
	if len(a.Response) == 0 && a.Error == "" {
		return
	}
	for _, secret := range p.shown() {
		a.Error = strings.ReplaceAll(a.Error, secret, stars)
		a.Response = withoutEcho(a.Response, secret)
	}
}

// shown are the values that only this receiver may see, in the forms in which a receiver repeats them.
func (p *Post) shown() []string {
	var values []string
	for name, list := range p.Header {
		if name != "Authorization" && reserved(name) {
			continue
		}
		for _, value := range list {
			values = append(values, value)
			scheme, credentials, found := strings.Cut(value, " ")
			if !found {
				continue
			}
			values = append(values, credentials)
			if plain, err := base64.StdEncoding.DecodeString(credentials); err == nil && strings.EqualFold(scheme, "Basic") { // RFC 7617, section 2
				_, password, _ := strings.Cut(string(plain), ":")
				values = append(values, string(plain), password)
			}
		}
	}
	if p.URL != nil && p.URL.RawQuery != "" {
		for pair := range strings.SplitSeq(p.URL.RawQuery, "&") {
			name, value, named := strings.Cut(pair, "=")
			if !named {
				value = name // a text alone may be the credential
			}
			values = append(values, value)
			if plain, err := url.QueryUnescape(value); err == nil {
				values = append(values, plain)
			}
		}
	}
	forms := values[:0:0]
	for _, value := range values {
		if len(value) < echoBytesMin {
			continue
		}
		forms = append(forms, value)
		if quoted, err := json.Marshal(value); err == nil && string(quoted[1:len(quoted)-1]) != value {
			forms = append(forms, string(quoted[1:len(quoted)-1]))
		}
		if escaped := url.QueryEscape(value); escaped != value {
			forms = append(forms, escaped)
		}
	}
	slices.SortFunc(forms, func(x, y string) int { return len(y) - len(x) }) // one may be a part of another
	return forms
}

// withoutEcho replaces a text, and its beginning where the answer was cut within it. It changes no bytes of the slice that it is given.
func withoutEcho(response []byte, secret string) []byte {
	if bytes.Contains(response, []byte(secret)) {
		response = bytes.ReplaceAll(response, []byte(secret), []byte(stars))
	}
	for n := min(len(secret)-1, len(response)); n >= echoBytesMin; n-- {
		if bytes.HasSuffix(response, []byte(secret[:n])) {
			return append(bytes.Clone(response[:len(response)-n]), stars...)
		}
	}
	return response
}
