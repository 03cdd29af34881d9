package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/hookswitch/hookswitch/internal/api"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// TestBodiesThatExplode sends bodies that are small on the wire and large, deep or slow when parsed. Each is answered with what is wrong, and
// what the server allocates for it is bounded.
func TestBodiesThatExplode(t *testing.T) {
	const mib = 1 << 20
	fields := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			if strings.Contains(format, "%") {
				fmt.Fprintf(&b, format, i)
			} else {
				b.WriteString(format)
			}
		}
		return b.String()
	}
	tests := map[string]struct {
		path, body string
		header     string
		status     int
		detail     string
	}{
		"arrays in arrays":          {path: "/v1/interactions", body: `{"contact":` + strings.Repeat("[", mib-64), status: 400, detail: "nested deeper than 32"},
		"objects in objects":        {path: "/v1/interactions", body: `{"contact":` + strings.Repeat(`{"a":`, 9_000) + "1" + strings.Repeat("}", 9_001), status: 400, detail: "nested deeper than 32"},
		"a long array":              {path: "/v1/interactions", body: `{"contact":{"a":[` + fields(500_000, "0") + `]}}`, status: 400, detail: "more than 20000 values"},
		"an array of empty objects": {path: "/v1/interactions", body: `{"contact":{"a":[` + fields(340_000, "{}") + `]}}`, status: 400, detail: "more than 20000 values"},
		"many unknown fields":       {path: "/v1/interactions", body: "{" + fields(90_000, `"a%d":0`) + "}", status: 400, detail: "more than 20000 values"},
		"fewer unknown fields":      {path: "/v1/interactions", body: "{" + fields(15_000, `"a%d":0`) + "}", status: 422, detail: "wrong fields"},
		"the same field again":      {path: "/v1/interactions", body: "{" + fields(15_000, `"queue":"q"`) + "}", status: 422, detail: "wrong fields"},
		"a long number":             {path: "/v1/webhooks", body: `{"url":"https://r.example/","concurrency":` + strings.Repeat("9", mib-100) + "}", status: 422, detail: "wrong fields"},
		"a large exponent":          {path: "/v1/webhooks", body: `{"url":"https://r.example/","concurrency":1e999999999}`, status: 422, detail: "wrong fields"},
		"escapes":                   {path: "/v1/interactions", body: `{"subject":"` + strings.Repeat(`\u0000`, mib/6-10) + `"}`, status: 422, detail: "wrong fields"},
		"half surrogates":           {path: "/v1/interactions", body: `{"subject":"` + strings.Repeat(`\ud800`, mib/6-10) + `"}`, status: 422, detail: "wrong fields"},
		"a text without an end":     {path: "/v1/interactions", body: `{"subject":"` + strings.Repeat(`\`, mib-100), status: 400, detail: "not JSON"},
		"spaces":                    {path: "/v1/interactions", body: strings.Repeat(" ", mib-2) + "{", status: 400, detail: "not JSON"},
		"a compressed body":         {path: "/v1/interactions", body: "{}", header: "gzip", status: 415, detail: "without a Content-Encoding"},
		"a body too large":          {path: "/v1/interactions", body: strings.Repeat(" ", mib+1), status: 413, detail: "larger than 1048576 bytes"},
		"a batch of empty changes":  {path: "/v1/interactions/batch", body: `{"changes":[` + fields(300_000, "{}") + "]}", status: 400, detail: "more than 200000 values"},
		"a batch of unknown fields": {path: "/v1/interactions/batch", body: `{"changes":[{` + fields(150_000, `"a%d":0`) + "}]}", status: 200, detail: "more than 20000 values"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			r := httptest.NewRequest(http.MethodPost, c.path, strings.NewReader(c.body))
			r.Header.Set("Authorization", "Bearer "+adminKey)
			if c.header != "" {
				r.Header.Set("Content-Encoding", c.header)
			}
			w := httptest.NewRecorder()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s.handler.ServeHTTP(w, r)
			runtime.ReadMemStats(&after)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.detail) {
				t.Errorf("got %d %.300s, want %d %s", w.Code, w.Body.String(), c.status, c.detail)
			}
			if got := w.Header().Get("Accept-Encoding"); (got == "identity") != (c.header != "") {
				t.Errorf("Accept-Encoding of the answer is %q", got)
			}
			if n := strings.Count(w.Body.String(), `"location"`); n > 100 {
				t.Errorf("the answer names %d fields", n)
			}
			// What is allocated in all, freed or not: a server with a heap that is bounded lives with less.
			if took := after.TotalAlloc - before.TotalAlloc; took > uint64(min(40*len(c.body), 24*mib))+4*mib {
				t.Errorf("%d bytes were allocated for a body of %d", took, len(c.body))
			}
		})
	}
}

// TestManyQueryParameters shows that parameters that do not exist are named up to a bound, on routes for everybody too.
func TestManyQueryParameters(t *testing.T) {
	s := start(t)
	var query strings.Builder
	for i := range 5_000 {
		query.WriteString("&a" + strconv.Itoa(i))
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz?"+query.String()[1:], http.NoBody))
	if n := strings.Count(w.Body.String(), `"location"`); w.Code != 422 || n != 100 {
		t.Errorf("got %d and %d names", w.Code, n)
	}
}

// blockedBody is a body that announces much and sends nothing before it is let go.
type blockedBody struct {
	reading chan<- struct{}
	let     <-chan struct{}
	once    sync.Once
}

func (b *blockedBody) Read([]byte) (int, error) {
	b.once.Do(func() { b.reading <- struct{}{} })
	<-b.let
	return 0, http.ErrBodyReadAfterClose
}

func (*blockedBody) Close() error { return nil }

// TestBodiesThatDribble holds many requests by bodies that are announced as large and do not come: they take next to no memory and no place, so
// another request is answered.
func TestBodiesThatDribble(t *testing.T) {
	s := start(t, func(o *api.Options) { o.RequestsMax = 2 })
	const bodies = 1_000
	reading, let := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range bodies {
		wg.Go(func() {
			r := newRequest(http.MethodPost, "/v1/interactions/batch", "{}")
			r.Body, r.ContentLength = &blockedBody{reading: reading, let: let}, 8<<20
			s.handler.ServeHTTP(httptest.NewRecorder(), r)
		})
	}
	for range bodies {
		<-reading
	}
	runtime.ReadMemStats(&after)
	if took := after.HeapAlloc - min(before.HeapAlloc, after.HeapAlloc); took > 32<<20 {
		t.Errorf("%d bodies that were announced as 8 MiB take %d bytes", bodies, took)
	}
	s.must(201, http.MethodPost, "/v1/interactions", `{"mediaType":"chat","subtype":"SMS","queue":"q"}`)
	close(let)
	wg.Wait()
}

// blockedTester holds every test of a webhook until it is let go.
type blockedTester struct{ testing, let chan struct{} }

func (b blockedTester) Test(context.Context, *hook.Webhook) hook.Attempt {
	b.testing <- struct{}{}
	<-b.let
	return hook.Attempt{Number: 1, Status: 200}
}

// TestPlaces fills all places of a server: one request more is refused with Retry-After, one about the server's health is answered, and every place is
// free again in the end.
func TestPlaces(t *testing.T) {
	tester := blockedTester{make(chan struct{}), make(chan struct{})}
	s := start(t, func(o *api.Options) { o.RequestsMax, o.Tester = 2, tester })
	made := s.must(201, http.MethodPost, "/v1/webhooks", `{"url":"https://r.example/"}`)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { s.call(http.MethodPost, fmt.Sprintf("/v1/webhooks/%v/test", made["id"]), "") })
		<-tester.testing
	}
	if r := s.call(http.MethodGet, "/v1/webhooks", ""); r.status != 503 || r.header.Get("Retry-After") != "1" {
		t.Errorf("one more got %d %v", r.status, r.header)
	}
	s.must(200, http.MethodGet, "/readyz", "")
	close(tester.let)
	wg.Wait()
	page := string(s.call(http.MethodGet, "/metrics", "").body)
	for _, want := range []string{"\nhookswitch_api_requests_in_flight 1\n", "\nhookswitch_api_requests_refused_total 1\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("the metrics have no line %q", want)
		}
	}
}

// TestOptions shows that OPTIONS says what may be asked, and lets no other origin in.
func TestOptions(t *testing.T) {
	s := start(t)
	for path, want := range map[string]string{"/v1/webhooks": "GET, HEAD, POST, OPTIONS", "/v1/nothing": ""} {
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, httptest.NewRequest(http.MethodOptions, path, http.NoBody))
		if w.Header().Get("Allow") != want || (w.Code == 204) != (want != "") {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		for name := range w.Header() {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: %s", path, name)
			}
		}
	}
}
