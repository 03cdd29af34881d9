package hook

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"html"
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
	if p.Secretless || len(a.Response) == 0 && a.Error == "" {
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
	var forms []string
	for _, value := range values {
		if len(value) >= echoBytesMin {
			forms = append(forms, formsOf(value)...)
		}
	}
	slices.SortFunc(forms, func(x, y string) int { // one may be a part of another
		return cmp.Or(len(y)-len(x), strings.Compare(x, y))
	})
	return slices.Compact(forms)
}

// formsOf are a value and what it becomes in JSON, as Go writes it, as JavaScript does and as PHP does, in a URL, and in HTML.
func formsOf(value string) []string {
	if !strings.ContainsFunc(value, func(r rune) bool { // most tokens are the same in all of them
		alphanumeric := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !alphanumeric && !strings.ContainsRune("-_.~", r)
	}) {
		return []string{value}
	}
	forms := []string{value, url.QueryEscape(value), url.PathEscape(value), html.EscapeString(value)}
	var text strings.Builder
	for _, escapeHTML := range []bool{true, false} {
		text.Reset()
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(escapeHTML)
		if err := encoder.Encode(value); err == nil {
			quoted := strings.TrimSuffix(text.String(), "\n")
			quoted = quoted[1 : len(quoted)-1]
			forms = append(forms, quoted, strings.ReplaceAll(quoted, "/", `\/`))
		}
	}
	return forms
}

// withoutEcho replaces a text, and its beginning where the answer was cut within it. It changes no bytes of the slice that it is given.
func withoutEcho(response []byte, secret string) []byte {
	if bytes.Contains(response, []byte(secret)) {
		response = bytes.ReplaceAll(response, []byte(secret), []byte(stars))
	}
	if n := overlap(response, secret); n >= echoBytesMin {
		return append(bytes.Clone(response[:len(response)-n]), stars...)
	}
	return response
}

// overlap is the length of the longest text that the response ends in and the secret begins with, and which is not the whole of it. It takes
// time in proportion to the secret, whatever the two are: Knuth, Morris and Pratt, "Fast pattern matching in strings" (1977).
func overlap(response []byte, secret string) int {
	tail := response[max(0, len(response)-len(secret)+1):]
	if !bytes.Contains(tail, []byte(secret[:echoBytesMin])) { // the usual case
		return 0
	}
	borders := make([]int, len(secret)) // of each beginning of the secret
	n := 0
	for i := 1; i < len(secret); i++ {
		for n > 0 && secret[i] != secret[n] {
			n = borders[n-1]
		}
		if secret[i] == secret[n] {
			n++
		}
		borders[i] = n
	}
	n = 0
	for _, c := range tail { // shorter than the secret, so that n stays below its length
		for n > 0 && c != secret[n] {
			n = borders[n-1]
		}
		if c == secret[n] {
			n++
		}
	}
	return n
}
