package hook_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The header is the one of the example in RFC 7617, section 2.
func TestBasicHeader(t *testing.T) {
	b := hook.BasicAuth{Username: "Aladdin", Password: hook.NewSecret("open sesame")}
	if got := b.Header(); got != "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==" {
		t.Errorf("got %s", got)
	}
}

func basic(username, password string) func(*hook.Settings) {
	return func(s *hook.Settings) {
		s.Authorization.Basic = &hook.BasicAuth{Username: username, Password: hook.NewSecret(password)}
	}
}

func oauth2(change func(*hook.ClientCredentials)) func(*hook.Settings) {
	return func(s *hook.Settings) {
		o := &hook.ClientCredentials{TokenURL: "https://t.example/token", ClientID: "us", ClientSecret: hook.NewSecret("horse"), Scopes: []string{"a", "b:c/d.e"}}
		change(o)
		s.Authorization.OAuth2 = o
	}
}

func TestAuthorization(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*hook.Settings)
		want   []string
	}{
		"basic":                 {basic("user", "password"), nil},
		"basic: no password":    {basic("user", ""), nil},
		"basic: a token alone":  {basic("", "token"), nil},
		"basic: neither":        {basic("", ""), []string{"authorization.password"}},
		"basic: letters":        {basic("Größe", "pass:wörd"), nil},
		"basic: colon":          {basic("us:er", "password"), []string{"authorization.username"}},
		"basic: control":        {basic("us\ner", "pass\x00"), []string{"authorization.username", "authorization.password"}},
		"basic: not UTF-8":      {basic("us\xffer", "p"), []string{"authorization.username"}},
		"basic: at the bounds":  {basic(strings.Repeat("u", 256), strings.Repeat("p", 1_024)), nil},
		"basic: beyond":         {basic(strings.Repeat("u", 257), strings.Repeat("p", 1_025)), []string{"authorization.username", "authorization.password"}},
		"oauth2":                {oauth2(func(*hook.ClientCredentials) {}), nil},
		"oauth2: nothing":       {oauth2(func(o *hook.ClientCredentials) { *o = hook.ClientCredentials{} }), []string{"authorization.tokenUrl", "authorization.clientId", "authorization.clientSecret"}},
		"oauth2: userinfo":      {oauth2(func(o *hook.ClientCredentials) { o.TokenURL = "https://u:p@t.example" }), []string{"authorization.tokenUrl"}},
		"oauth2: mailto":        {oauth2(func(o *hook.ClientCredentials) { o.TokenURL = "mailto:a@b.example" }), []string{"authorization.tokenUrl"}},
		"oauth2: ftp":           {oauth2(func(o *hook.ClientCredentials) { o.TokenURL = "ftp://t.example" }), []string{"authorization.tokenUrl"}},
		"oauth2: scope with \"": {oauth2(func(o *hook.ClientCredentials) { o.Scopes = []string{"a", `b"`, `c\`, "d e", "", "é"} }), []string{"authorization.scopes[1]", "authorization.scopes[2]", "authorization.scopes[3]", "authorization.scopes[4]", "authorization.scopes[5]"}},
		"oauth2: scopes":        {oauth2(func(o *hook.ClientCredentials) { o.Scopes = make([]string, 33) }), []string{"authorization.scopes"}},
		"oauth2: long audience": {oauth2(func(o *hook.ClientCredentials) { o.Audience = strings.Repeat("a", 2_049) }), []string{"authorization.audience"}},
		"both kinds":            {func(s *hook.Settings) { basic("u", "p")(s); oauth2(func(*hook.ClientCredentials) {})(s) }, []string{"authorization"}},
		"a header of its own":   {func(s *hook.Settings) { basic("u", "p")(s); s.Headers = map[string]string{"authorization": "Bearer x"} }, []string{"headers.authorization"}},
		"for an e-mail": {func(s *hook.Settings) {
			basic("u", "p")(s)
			s.URL, s.Purpose = "mailto:a@b.example", hook.PurposeNotices
		}, []string{"authorization"}},
		"TLS of its own: e-mail":  {func(s *hook.Settings) { s.URL, s.Purpose, s.TLS.Roots = "mailto:a@b.example", hook.PurposeNotices, "x" }, []string{"tls"}},
		"a header of HTTP/2's":    {func(s *hook.Settings) { s.Headers = map[string]string{"HTTP2-Settings": "x"} }, []string{"headers.HTTP2-Settings"}},
		"a header that may be so": {func(s *hook.Settings) { s.Headers = map[string]string{"Authorization": "Bearer x"} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := validSettings()
			test.change(&s)
			checkFields(t, s.Validate(""), test.want...)
		})
	}
}

// No error repeats what may be a credential, whatever is wrong with it.
func TestCredentialsAreNotRepeated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		horse := rapid.SampledFrom([]string{"horse\n", "horse\xff", strings.Repeat("horse", 20_000), "-----BEGIN horse-----\n"})
		s := validSettings()
		if rapid.Bool().Draw(t, "basic") {
			basic(horse.Draw(t, "username"), horse.Draw(t, "password"))(&s)
		} else {
			oauth2(func(o *hook.ClientCredentials) {
				o.TokenURL, o.ClientID, o.Audience, o.Scopes = horse.Draw(t, "url"), horse.Draw(t, "id"), horse.Draw(t, "audience"), []string{horse.Draw(t, "scope")}
				o.ClientSecret = hook.NewSecret(horse.Draw(t, "secret"))
			})(&s)
		}
		s.TLS = hook.TLS{Certificate: horse.Draw(t, "certificate"), Key: hook.NewSecret(horse.Draw(t, "key")), Roots: horse.Draw(t, "roots")}
		err := s.Validate("")
		if err == nil {
			t.Fatal("valid")
		}
		for _, f := range fieldErrors(t, err) {
			if strings.Contains(f.Message+f.Value, "horse") {
				t.Fatalf("got %+v", f)
			}
		}
	})
}

// A copy shares nothing that a change would write into.
func TestAuthorizationClone(t *testing.T) {
	var s hook.Settings
	basic("user", "password")(&s)
	oauth2(func(*hook.ClientCredentials) {})(&s)
	c := s.Authorization.Clone()
	c.Basic.Username, c.OAuth2.ClientID, c.OAuth2.Scopes[0] = "other", "other", "other"
	if s.Authorization.Basic.Username != "user" || s.Authorization.OAuth2.ClientID != "us" || s.Authorization.OAuth2.Scopes[0] != "a" {
		t.Errorf("the original was changed: %+v", s.Authorization)
	}
}

// What is kept of credentials names them, says which changed, and holds none of them.
func TestRedactedAuthorization(t *testing.T) {
	var before, after hook.Settings
	basic("user", "old")(&before)
	basic("user", "new")(&after)
	want := &hook.RedactedAuthorization{Type: "basic", Username: "user", Password: "*** (changed)"}
	if diff := cmp.Diff(want, after.RedactedAuthorization(&before)); diff != "" {
		t.Errorf("basic (-want +got):\n%s", diff)
	}
	oauth2(func(o *hook.ClientCredentials) { o.TokenURL += "?key=old" })(&before)
	oauth2(func(o *hook.ClientCredentials) { o.TokenURL += "?key=new"; o.ClientSecret = hook.NewSecret("new") })(&after)
	before.Authorization.Basic, after.Authorization.Basic = nil, nil
	want = &hook.RedactedAuthorization{
		Type: "oauth2", TokenURL: "https://t.example/token?key=*** (changed)", ClientID: "us", ClientSecret: "*** (changed)", Scopes: []string{"a", "b:c/d.e"},
	}
	if diff := cmp.Diff(want, after.RedactedAuthorization(&before)); diff != "" {
		t.Errorf("oauth2 (-want +got):\n%s", diff)
	}
	if got := after.RedactedAuthorization(&after).ClientSecret; got != "***" {
		t.Errorf("the same shows as %s", got)
	}
	before.TLS, after.TLS = hook.TLS{Key: hook.NewSecret("old")}, hook.TLS{Key: hook.NewSecret("new")}
	if got := after.RedactedTLS(&before).Key; got != "*** (changed)" {
		t.Errorf("the key shows as %s", got)
	}
	if r := after.Redacted(&before); !r.Authorization.IsZero() || !r.TLS.IsZero() {
		t.Error("redacted settings hold credentials")
	}
}
