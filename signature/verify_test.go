package signature_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/signature"
)

func hubHeader(values ...string) http.Header {
	return http.Header{"X-Hub-Signature": values}
}

func digest(t *testing.T, value string) []byte {
	t.Helper()
	_, digits, _ := strings.Cut(value, "=")
	mac, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return mac
}

func TestVerifyAccepts(t *testing.T) {
	secret, other := []byte(hubSecret), []byte("another secret")
	both := hubHeader(hubSHA1)
	both.Set(signature.Hub256Header, hubSHA256)
	for name, test := range map[string]struct {
		header  http.Header
		secrets [][]byte
	}{
		"sha1, as the original sends": {hubHeader(hubSHA1), [][]byte{secret}},
		"sha256":                      {http.Header{"X-Hub-Signature-256": {hubSHA256}}, [][]byte{secret}},
		"sha256 in the older header":  {hubHeader(hubSHA256), [][]byte{secret}},
		"both":                        {both, [][]byte{secret}},
		"upper case":                  {hubHeader("sha1=" + strings.ToUpper(hubSHA1[5:])), [][]byte{secret}},
		"second secret":               {hubHeader(hubSHA1), [][]byte{other, secret}},
		"beside an empty secret":      {hubHeader(hubSHA1), [][]byte{nil, secret}},
		"second value":                {hubHeader("sha1=0", hubSHA1), [][]byte{secret}},
	} {
		if err := signature.Verify(test.header, []byte(hubBody), test.secrets...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := signature.NewVerifier(test.secrets...).Check(test.header, []byte(hubBody)); err != nil {
			t.Errorf("%s: Check: %v", name, err)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	sha1Base64 := base64.StdEncoding.EncodeToString(digest(t, hubSHA1))
	wrong1, wrong256 := signature.SHA1([]byte("x"), []byte(hubBody)), signature.SHA256([]byte("x"), []byte(hubBody))
	with256 := func(sha1, sha256 string) http.Header {
		return http.Header{"X-Hub-Signature": {sha1}, "X-Hub-Signature-256": {sha256}}
	}
	for name, test := range map[string]struct {
		header http.Header
		reason signature.Reason
		detail string
	}{
		"no header":            {http.Header{}, signature.NoHeader, "neither X-Hub-Signature-256 nor X-Hub-Signature"},
		"standard only":        {http.Header{"Webhook-Signature": {stdValue}}, signature.NoHeader, "which VerifyStandard verifies"},
		"empty":                {hubHeader(" "), signature.NoHeader, "X-Hub-Signature is present but empty"},
		"no values":            {hubHeader(), signature.NoHeader, "neither"},
		"no algorithm, sha1":   {hubHeader(hubSHA1[5:]), signature.UnknownAlgorithm, "sha1= is missing"},
		"no algorithm, sha256": {hubHeader(hubSHA256[7:]), signature.UnknownAlgorithm, "sha256= is missing"},
		"no algorithm, other":  {hubHeader("abc"), signature.UnknownAlgorithm, `its value is "abc"`},
		"unknown algorithm":    {hubHeader("md5=00"), signature.UnknownAlgorithm, `"md5", which is not known`},
		"upper-case algorithm": {hubHeader("SHA1=" + hubSHA1[5:]), signature.UnknownAlgorithm, "lower case"},
		"standard's value":     {hubHeader(stdValue), signature.UnknownAlgorithm, "belongs into webhook-signature"},
		"sha1 in the header of sha256": {
			http.Header{"X-Hub-Signature-256": {hubSHA1}}, signature.UnknownAlgorithm, "must name sha256",
		},
		"too short":            {hubHeader(hubSHA1[:43]), signature.MalformedHex, "38 hex digits, but a sha1 has 40"},
		"no digits":            {hubHeader("sha1="), signature.MalformedHex, "0 hex digits"},
		"sha256 called sha1":   {hubHeader("sha1=" + hubSHA256[7:]), signature.MalformedHex, "64 are a sha256"},
		"not hex":              {hubHeader("sha1=0g" + hubSHA1[7:]), signature.MalformedHex, `'g' at digit 2`},
		"quoted":               {hubHeader(`sha1="` + hubSHA1[5:] + `"`), signature.MalformedHex, `'"' at digit 1`},
		"base64":               {hubHeader("sha1=" + sha1Base64), signature.Base64NotHex, "apart from that it is the right signature"},
		"base64, no padding":   {hubHeader("sha1=" + strings.TrimRight(sha1Base64, "=")), signature.Base64NotHex, "the sha1 in base64"},
		"base64 of another":    {hubHeader("sha1=" + base64.URLEncoding.EncodeToString(make([]byte, 20))), signature.Base64NotHex, "not in hexadecimal"},
		"wrong secret":         {hubHeader(wrong1), signature.WrongSecret, "not what the secret makes of this body (13 bytes)"},
		"wrong sha256":         {with256(hubSHA1, wrong256), signature.WrongSecret, "X-Hub-Signature-256"},
		"wrong sha1":           {with256(wrong1, hubSHA256), signature.WrongSecret, "X-Hub-Signature is"},
		"downgrade by garbage": {with256(hubSHA1, "none"), signature.UnknownAlgorithm, "X-Hub-Signature-256"},
		"downgrade by nothing": {with256(hubSHA1, ""), signature.NoHeader, "X-Hub-Signature-256 is present but empty"},
		"beyond the limit": {
			hubHeader(append(strings.Split(strings.Repeat("sha1=0 ", signature.SignaturesMax), " ")[:signature.SignaturesMax], hubSHA1)...),
			signature.MalformedHex, "1 hex digits",
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := signature.Verify(test.header, []byte(hubBody), []byte(hubSecret))
			checkError(t, err, test.reason, test.detail)
			err = signature.NewVerifier([]byte(hubSecret)).Check(test.header, []byte(hubBody))
			checkError(t, err, test.reason, "")
		})
	}
	t.Run("no secret", func(t *testing.T) {
		// Everybody can sign with the empty secret, so it must not count.
		err := signature.Verify(hubHeader(signature.SHA1(nil, []byte(hubBody))), []byte(hubBody), nil, []byte{})
		checkError(t, err, signature.NoSecret, "")
		checkError(t, signature.VerifyHub(hubSHA1, []byte(hubBody)), signature.NoSecret, "")
		checkError(t, signature.VerifyStandard(http.Header{}, nil, nil, time.Unix(0, 0), 0), signature.NoSecret, "")
	})
}

func checkError(t *testing.T, err error, reason signature.Reason, detail string) {
	t.Helper()
	var e *signature.Error
	if !errors.Is(err, reason) || !errors.As(err, &e) {
		t.Fatalf("got %v, want %v", err, reason)
	}
	if !strings.Contains(e.Detail, detail) {
		t.Errorf("detail %q does not say %q", e.Detail, detail)
	}
	if explained := signature.Explain(err); len(explained) < len(e.Detail)+40 {
		t.Errorf("Explain has no advice: %s", explained)
	}
}

func TestVerifyHub(t *testing.T) {
	for _, value := range []string{hubSHA1, hubSHA256, " " + hubSHA1 + "\n"} {
		if err := signature.VerifyHub(value, []byte(hubBody), []byte(hubSecret)); err != nil {
			t.Errorf("%q: %v", value, err)
		}
	}
	checkError(t, signature.VerifyHub(hubSHA1, []byte(hubBody), []byte("x")), signature.WrongSecret, "the value")
}

const signedBody = `{"operationId":"o","data":{"entities":[{"event":"STARTED","entity":{"id":"<é>","mediaType":"chat",` +
	`"interactionSubtype":"SMS","selfUri":"https://h/p?a&b"}}]}}`

func sorted(t *testing.T, body string, escapeHTML bool) string {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(body), &value); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escapeHTML)
	if err := e.Encode(value); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

func indent(t *testing.T, body, by string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(body), "", by); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestBodyChanged(t *testing.T) {
	html := strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`)
	for name, test := range map[string]struct{ signed, received, change string }{
		"indented on the way":        {signedBody, indent(t, signedBody, "\t"), "compacted"},
		"spaced on the way":          {signedBody, strings.NewReplacer(`":`, `": `, `,"`, `, "`).Replace(signedBody), "compacted"},
		"newline added":              {signedBody, signedBody + "\n", "without the line end"},
		"newline removed":            {signedBody + "\n", signedBody, "with a line feed"},
		"CR LF removed":              {signedBody + "\r\n", signedBody, "with CR LF at its end"},
		"LF made CR LF":              {"{\n}", "{\r\n}", "with LF in place"},
		"CR LF made LF":              {"{\r\n}", "{\n}", "with CR LF in place"},
		"text, CR LF made LF":        {"a\r\nb", "a\nb", "with CR LF in place"},
		"HTML escaped on the way":    {signedBody, html.Replace(signedBody), "no needless escapes"},
		"slashes escaped on the way": {signedBody, strings.ReplaceAll(signedBody, "/", `\/`), "no needless escapes"},
		"ASCII only on the way":      {signedBody, strings.ReplaceAll(signedBody, "é", `\u00e9`), "no needless escapes"},
		"HTML unescaped on the way":  {html.Replace(signedBody), signedBody, `escaped as \u003c`},
		"sorted before signing":      {sorted(t, signedBody, false), signedBody, "sorted by name"},
		"marshalled before signing":  {sorted(t, signedBody, true), signedBody, "sorted by name and HTML escaped"},
		"sorted on the way":          {signedBody, sorted(t, signedBody, true), "in the order of the webhook's contract"},
		"two spaces before signing":  {indent(t, signedBody, "  "), signedBody, "two spaces"},
		"four spaces before signing": {indent(t, signedBody, "    "), signedBody, "four spaces"},
	} {
		t.Run(name, func(t *testing.T) {
			secrets := [][]byte{[]byte("the next secret"), []byte(hubSecret)}
			received := []byte(test.received)
			header := http.Header{}
			header.Set(signature.HubHeader, signature.SHA1(secrets[1], []byte(test.signed)))
			checkError(t, signature.Verify(header, received, secrets...), signature.BodyChanged, test.change)
			checkError(t, signature.NewVerifier(secrets...).Check(header, received), signature.WrongSecret, "any of the 2 secrets")
			header.Set(signature.Hub256Header, signature.SHA256(secrets[1], []byte(test.signed)))
			checkError(t, signature.Verify(header, received, secrets...), signature.BodyChanged, test.change)
			now := time.Unix(stdSeconds, 0)
			header.Set(signature.IDHeader, stdID)
			header.Set(signature.TimestampHeader, strconv.Itoa(stdSeconds))
			header.Set(signature.StandardHeader, signature.Standard(secrets[1], stdID, now, []byte(test.signed)))
			checkError(t, signature.VerifyStandard(header, received, secrets, now, 0), signature.BodyChanged, test.change)
		})
	}
}

func TestSearchIsBounded(t *testing.T) {
	large := []byte(`"` + strings.Repeat("x", signature.SearchBytesMax-1) + `"`)
	header := hubHeader(signature.SHA1([]byte(hubSecret), append(large, '\n')))
	checkError(t, signature.Verify(header, large, []byte(hubSecret)), signature.WrongSecret, "are not searched")

	// Indented, this would be gigabytes: the spelling is skipped, and the search still ends with an answer.
	const depth = 9000
	nested := []byte(strings.Repeat("[", depth) + strings.Repeat("1,", 250_000) + "1" + strings.Repeat("]", depth))
	checkError(t, signature.Verify(hubHeader(hubSHA1), nested, []byte(hubSecret)), signature.WrongSecret, "well-formed")
}

func TestWrongSecretIsRecognised(t *testing.T) {
	for name, test := range map[string]struct{ theirs, ours, detail string }{
		"line feed here":      {"secret", "secret\n", "without the white space"},
		"line feed there":     {"secret\n", "secret", "a line feed after it"},
		"decoded whsec there": {"hello", "whsec_aGVsbG8=", "decoded from base64"},
		"stripped there":      {"aGVsbG8=", "whsec_aGVsbG8=", "without its prefix"},
		"decoded hex there":   {"hello", "68656c6c6f", "decoded from hexadecimal"},
	} {
		err := signature.VerifyHub(signature.SHA1([]byte(test.theirs), []byte(hubBody)), []byte(hubBody), []byte(test.ours))
		t.Run(name, func(t *testing.T) { checkError(t, err, signature.WrongSecret, test.detail) })
	}
}

func TestErrorsHoldNoSecret(t *testing.T) {
	secret := "whsec_this is not base64"
	header := http.Header{}
	header.Set(signature.IDHeader, stdID)
	header.Set(signature.TimestampHeader, strconv.Itoa(stdSeconds))
	header.Set(signature.StandardHeader, stdValue)
	err := signature.VerifyStandard(header, []byte(stdBody), [][]byte{[]byte(secret)}, time.Unix(stdSeconds, 0), 0)
	checkError(t, err, signature.WrongSecret, "secret 1 begins with whsec_ but is not followed by base64")
	if strings.Contains(signature.Explain(err), "this is not") {
		t.Error("the explanation holds the secret")
	}
	if _, err := signature.StandardKey(secret); err == nil || strings.Contains(err.Error(), "this is not") {
		t.Errorf("StandardKey: %v", err)
	}
}

func TestExplain(t *testing.T) {
	if got := signature.Explain(nil); got != "" {
		t.Errorf("nil: %q", got)
	}
	if got := signature.Explain(http.ErrNoCookie); got != http.ErrNoCookie.Error() {
		t.Errorf("another error: %q", got)
	}
	err := signature.Verify(http.Header{}, nil, []byte("x"))
	if got := signature.Explain(err); !strings.HasPrefix(got, "Neither X-Hub-Signature-256 nor") {
		t.Errorf("no header: %q", got)
	}
	if want := "verify signature: no_header: neither"; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("Error() = %q, want %q…", err, want)
	}
}

// Which tells whose signature it was, by the place among the secrets that were given, empty ones counted.
func TestWhichSecretSigned(t *testing.T) {
	old, next := []byte("the old secret"), []byte("the next secret")
	for _, test := range []struct {
		name    string
		signer  []byte
		secrets [][]byte
		want    int
	}{
		{"alone", old, [][]byte{old}, 0},
		{"the first", old, [][]byte{old, next}, 0},
		{"the second", next, [][]byte{old, next}, 1},
		{"behind an empty one", next, [][]byte{old, nil, next}, 2},
		{"given twice", next, [][]byte{old, next, next}, 1},
		{"none", []byte("another secret"), [][]byte{old, next}, -1},
		{"no secret", old, nil, -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			verifier := signature.NewVerifier(test.secrets...)
			hub, hub256 := signature.SHA1(test.signer, []byte(hubBody)), signature.SHA256(test.signer, []byte(hubBody))
			for _, header := range []http.Header{
				hubHeader(hub),
				{http.CanonicalHeaderKey(signature.Hub256Header): {hub256}},
				{http.CanonicalHeaderKey(signature.HubHeader): {hub}, http.CanonicalHeaderKey(signature.Hub256Header): {hub256}},
			} {
				if got, err := verifier.Which(header, []byte(hubBody)); got != test.want || (err == nil) != (test.want >= 0) {
					t.Errorf("%v: secret %d, %v; want %d", header, got, err, test.want)
				}
			}
		})
	}
}
