package hook_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// What only the receiver may see is not kept of an answer that repeats it, in whichever of the usual forms; the rest of the answer is.
func TestConceal(t *testing.T) {
	target, err := url.Parse("https://a.example/hook?token=of%20the%20query&alone-in-the-query&n=1")
	if err != nil {
		t.Fatal(err)
	}
	post := hook.Post{URL: target, Header: http.Header{
		"X-Token": {`quoted "token" 4711`}, "X-Short": {"short"}, "X-Ccid": {"contact-center"}, "X-Hub-Signature": {"sha1=0123456789"},
		"Authorization": {"Basic dXNlcjpwYXNzd29yZCBvZiB0aGUgdXNlcg=="},
	}}
	for name, c := range map[string]struct{ said, want string }{
		"nothing":                 {"", ""},
		"as it is":                {`you sent quoted "token" 4711!`, "you sent ***!"},
		"twice":                   {`quoted "token" 4711quoted "token" 4711`, "******"},
		"in JSON":                 {`{"x-token":"quoted \"token\" 4711"}`, `{"x-token":"***"}`},
		"in a URL":                {"/?x=quoted+%22token%22+4711&y", "/?x=***&y"},
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
