package hook

import (
	"net/url"
	"strings"
)

// starsChanged is what shows of a value that is not shown, and is not what it was.
const starsChanged = stars + " (changed)"

// Redacted returns a copy of the settings that may be kept for ever: of headers of the webhook's own and of the URL's query only the
// names show, and of user information in the URL nothing, because all of them often hold credentials. before, if not nil, are
// the settings that these follow: a value that is not shown and differs from theirs is marked as changed.
func (s *Settings) Redacted(before *Settings) Settings {
	shown := *s
	shown.URL = redactURL(s.URL)
	if before != nil && s.URL != before.URL && shown.URL == redactURL(before.URL) {
		shown.URL += strings.TrimPrefix(starsChanged, stars)
	}
	shown.Credentials = Credentials{} // for the others see [Settings.RedactedAuthorization] and [Settings.RedactedTLS]
	for name, value := range s.Headers {
		if shown.Headers == nil {
			shown.Headers = make(map[string]string, len(s.Headers))
		}
		shown.Headers[name] = stars
		if before == nil {
			continue
		}
		if old, ok := before.Headers[name]; ok && old != value {
			shown.Headers[name] = starsChanged
		}
	}
	return shown
}

// redactURL leaves out what of a URL may be a credential. It writes the parts itself: [url.URL.String] would escape the stars.
func redactURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return stars
	}
	var b strings.Builder
	b.WriteString(u.Scheme + ":")
	if u.Opaque != "" { // as in mailto:ops@example.com
		b.WriteString(u.Opaque)
	} else {
		b.WriteString("//")
		if u.User != nil {
			b.WriteString(stars + "@")
		}
		b.WriteString(u.Host + u.EscapedPath())
	}
	if u.RawQuery != "" {
		b.WriteString("?" + redactQuery(u.RawQuery))
	}
	if u.Fragment != "" {
		b.WriteString("#" + stars)
	}
	return b.String()
}

func redactQuery(raw string) string {
	pairs := strings.Split(raw, "&")
	for i, pair := range pairs {
		name, _, named := strings.Cut(pair, "=")
		if !named {
			name = "" // a text alone may be the credential
		} else {
			name += "="
		}
		pairs[i] = name + stars
	}
	return strings.Join(pairs, "&")
}
