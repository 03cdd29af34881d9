package hook_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// What only the receiver may see is not kept of an answer that repeats it, in whichever of the usual forms; the rest of the answer is.
func TestConceal(t *testing.T) {
	target, err := url.Parse("https://a.example/hook?token=of%20the%20query&alone-in-the-query&n=1")
	if err != nil {
		t.Fatal(err)
	}
	post := hook.Post{URL: target, Header: http.Header{
		"X-Token": {`quoted "token" 4711`}, "X-Sign": {"a/b+c <& d/e"}, "X-Short": {"short"}, "X-Ccid": {"contact-center"}, "X-Hub-Signature": {"sha1=0123456789"},
		"Authorization": {"Basic dXNlcjpwYXNzd29yZCBvZiB0aGUgdXNlcg=="},
	}}
	for name, c := range map[string]struct{ said, want string }{
		"nothing":                 {"", ""},
		"as it is":                {`you sent quoted "token" 4711!`, "you sent ***!"},
		"twice":                   {`quoted "token" 4711quoted "token" 4711`, "******"},
		"in JSON":                 {`{"x-token":"quoted \"token\" 4711"}`, `{"x-token":"***"}`},
		"in a URL":                {"/?x=quoted+%22token%22+4711&y", "/?x=***&y"},
		"as PHP quotes it":        {`{"x":"a\/b+c <& d\/e"}`, `{"x":"***"}`},
		"as JavaScript quotes it": {`{"x":"a/b+c <& d/e"}`, `{"x":"***"}`},
		"as Go quotes it":         {`{"x":"a/b+c \u003c\u0026 d/e"}`, `{"x":"***"}`},
		"in a path":               {"/a%2Fb+c%20%3C&%20d%2Fe/x", "/***/x"},
		"in HTML":                 {"<p>a/b+c &lt;&amp; d/e</p>", "<p>***</p>"},
		"cut":                     {`X-Token: quoted "to`, "X-Token: ***"},
		"cut before it is much":   {"X-Token: quoted", "X-Token: quoted"},
		"Authorization":           {"Authorization: Basic dXNlcjpwYXNzd29yZCBvZiB0aGUgdXNlcg==\n", "Authorization: ***\n"},
		"credentials alone":       {"dXNlcjpwYXNzd29yZCBvZiB0aGUgdXNlcg== is wrong", "*** is wrong"},
		"the password":            {"password of the user is wrong", "*** is wrong"},
		"user and password":       {"<user:password of the user>", "<***>"},
		"the path with its query": {"Cannot POST /hook?token=of%20the%20query&alone-in-the-query&n=1", "Cannot POST /hook?token=***&***&n=1"},
		"the query's value":       {"token of the query is old", "token *** is old"},
		"what everybody may see":  {"short contact-center sha1=0123456789", "short contact-center sha1=0123456789"},
	} {
		t.Run(name, func(t *testing.T) {
			kept := strings.Repeat("x", 8) + c.said
			a := hook.Answer{Response: []byte(kept), Error: kept}
			post.Conceal(&a)
			if got := string(a.Response); got != strings.Repeat("x", 8)+c.want {
				t.Errorf("kept %q, want %q", got, c.want)
			}
			if got := a.Error; !strings.HasPrefix(name, "cut") && got != strings.Repeat("x", 8)+c.want {
				t.Errorf("the error is %q, want %q", got, c.want)
			}
		})
	}
}

// The answer of a post that shows nothing of its own is kept without being copied.
func TestConcealLeavesTheUsualAnswer(t *testing.T) {
	post := hook.Post{URL: &url.URL{Scheme: "https", Host: "a.example"}, Header: http.Header{"X-Ccid": {"contact-center"}}}
	a := hook.Answer{Response: []byte(`{"status":"OK"}`)}
	if n := testing.AllocsPerRun(10, func() { post.Conceal(&a) }); n != 0 {
		t.Errorf("it takes %v allocations", n)
	}
}

// An answer that ends in the middle of a secret keeps nothing of it, wherever it was cut, and however the secret repeats itself.
func TestConcealCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching("[ab]{8,40}").Draw(t, "secret")
		kept := rapid.StringMatching("[ab]{0,40}").Draw(t, "before") + secret[:rapid.IntRange(0, len(secret)).Draw(t, "cut")]
		post := hook.Post{Header: http.Header{"X-Token": {secret}}}
		a := hook.Answer{Response: []byte(kept)}
		post.Conceal(&a)
		want := strings.ReplaceAll(kept, secret, "***")
		for n := min(len(secret)-1, len(want)); n >= 8; n-- {
			if strings.HasSuffix(want, secret[:n]) {
				want = want[:len(want)-n] + "***"
				break
			}
		}
		if string(a.Response) != want {
			t.Fatalf("kept %q, want %q", a.Response, want)
		}
	})
}

// BenchmarkConceal shows what a delivery pays, without anything to look for, and with it.
func BenchmarkConceal(b *testing.B) {
	usual := http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"Hookswitch/1"}, "X-Hub-Signature": {"sha1=0123456789012345678901234567890123456789"},
		"X-B3-Traceid": {"01234567890123456789012345678901"}, "X-B3-Spanid": {"0123456789012345"}, "X-B3-Sampled": {"1"}, "X-Ccid": {"cc"},
		"Webhook-Id": {"f6c49d91-926b-4473-b2f3-8d8fd295c968"}, "Webhook-Timestamp": {"1614265330"}, "Webhook-Signature": {"v1,x"}, "Hookswitch-Attempt": {"1"},
	}
	own := maps.Clone(usual)
	own["Authorization"], own["X-Token"] = []string{"Bearer eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl"}, []string{"a/token=of-the+webhook"}
	worst := http.Header{"X-Token": {strings.Repeat("a", 4_095) + "b"}}
	for name, c := range map[string]struct {
		post   hook.Post
		answer string
	}{
		"secretless": {hook.Post{Header: usual, Secretless: true}, `{"status":"OK"}`},
		"unknown":    {hook.Post{Header: usual}, `{"status":"OK"}`},
		"own":        {hook.Post{Header: own}, `{"status":"OK"}`},
		"worst":      {hook.Post{Header: worst}, strings.Repeat("a", 4_094) + "c"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a := hook.Answer{Response: []byte(c.answer)}
				c.post.Conceal(&a)
			}
		})
	}
}
