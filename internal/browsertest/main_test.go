package browsertest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	os.Exit(Main(m.Run))
}

// policy is the console's, so that what works here works there.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

// site serves these pages and files, by path; what it does not know it answers 404.
func site(t *testing.T, files map[string]string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := files[r.URL.Path]
		w.Header().Set("Content-Security-Policy", policy)
		switch {
		case strings.HasSuffix(r.URL.Path, ".js"):
			w.Header().Set("Content-Type", "text/javascript")
		case strings.HasSuffix(r.URL.Path, ".css"):
			w.Header().Set("Content-Type", "text/css")
		default:
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
		}
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintf(w, frame, "Nothing", "") // without a body the browser makes a page of its own
			return
		}
		if r.URL.Path == "/events" {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: "+text+"\n\n") // as below
			_ = http.NewResponseController(w).Flush()      // as below
			<-r.Context().Done()
			return
		}
		if r.Method == http.MethodPost {
			fmt.Fprintf(w, frame, "Answer", "<p id=answer>"+r.PostFormValue("name")+"|"+r.PostFormValue("colour")+"|"+r.PostFormValue("day")+"</p>")
			return
		}
		_, _ = io.WriteString(w, text) // the browser may be gone
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// frame is a page that nothing is wrong with: of a title and what its main part holds.
const frame = `<!doctype html><html lang="en"><head><title>%s</title><meta name="viewport" content="width=device-width, initial-scale=1">` +
	`<link rel="icon" href="/a.css"><link rel="stylesheet" href="/a.css"></head>` +
	`<body><a class="skip" href="#main">Skip to the content</a><main id="main"><h1>Heading</h1>%s</main><script src="/a.js"></script></body></html>`

const sheet = `:root { color-scheme: light dark } body { font: 16px sans-serif; margin: 1rem }
@media (prefers-color-scheme: dark) { body { background: #111 } .nightpale { color: #444 } }
.skip { position: absolute; left: -9999px } .skip:focus { left: 0 }
.blind:focus { outline: none } .wide { width: 600px } .pale { color: #ccc; background: #fff }
.hidden { display: none }`

// recorder is a test whose failures are what is tested.
type recorder struct {
	testing.TB
	failures []string
	cleanups []func()
}

func (*recorder) Helper()            {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// failures runs a test and returns what it failed with.
func failures(t *testing.T, test func(t testing.TB)) []string {
	t.Helper()
	r := &recorder{TB: t}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() {
			for _, f := range r.cleanups {
				f()
			}
		}()
		test(r)
	}()
	<-ended
	return r.failures
}
