package console

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// Path is where the console is.
const Path = "/console/"

// Tester sends a webhook's test; the delivery engine is one.
type Tester interface {
	// Test sends one signed STARTED of a made-up interaction, or a made-up notice, once, and returns what came of it.
	Test(ctx context.Context, w *hook.Webhook) hook.Attempt
}

// Options are what a console needs.
type Options struct {
	Store *store.Store
	// Key finds who a text belongs to that came as an API key in a request. Its errors are in words for that person, and may have a
	// method GetStatus with the HTTP status.
	Key func(r *http.Request, text string) (hook.Caller, error)
	// Issuer signs people in elsewhere; nil means that they sign in with keys alone.
	Issuer Issuer
	Tester Tester
	// Requests makes the headers of attempts again; nil means that they are not shown.
	Requests Requester
	// CheckURL says why a webhook's URL can never be posted to, or nothing; nil means that no URL is refused so early.
	CheckURL func(*url.URL) error
	// CheckLease says why this server could never send under a webhook's settings, or nothing; nil means that all fit.
	CheckLease func(*hook.Settings) error
	// PublicURL is the base of every selfUri, without a trailing slash. Where it is https, cookies are for https alone.
	PublicURL string
	// Log gets internal errors; nil means nothing is logged.
	Log *slog.Logger
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Random is where ids and secrets come from, safe for concurrent use; nil means crypto/rand.
	Random io.Reader
	// Version is the program's.
	Version string
}

// Server answers the requests for the console.
type Server struct {
	options Options
	mux     *http.ServeMux
	// patterns are those of all routes.
	patterns  []string
	templates templates
	assets    assets
	secure    bool
	places
	// troubleAt is when a failed sign-in was logged last, in milliseconds of Unix time.
	troubleAt atomic.Int64
	// draining is closed when live pages must end.
	draining chan struct{}
	updates  updates
	once     sync.Once
}

// places bound what is done at a time: each has one entry for each that is being done, up to its capacity.
type places struct {
	// pages are made, and live ones are kept up to date.
	pages, live chan struct{}
	// forms are read.
	forms chan struct{}
	// elsewhere are requests that wait for the issuer, and tests those that wait for a receiver.
	elsewhere, tests chan struct{}
}

func newPlaces() places {
	of := func(most int) chan struct{} { return make(chan struct{}, most) }
	return places{
		pages: of(pagesMax), live: of(liveMax), forms: of(formsMax), elsewhere: of(signInsMax), tests: of(testsMax),
	}
}

// New makes a console. It starts nothing.
func New(o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	s := &Server{
		options: o, mux: http.NewServeMux(), places: newPlaces(), draining: make(chan struct{}),
		updates: updates{byName: map[string]*update{}, reads: make(chan struct{}, eventReadsMax)},
	}
	if u, err := url.Parse(o.PublicURL); err == nil {
		s.secure = u.Scheme == "https"
	}
	var err error
	if s.assets, err = readAssets(); err != nil {
		return nil, fmt.Errorf("read assets: %w", err)
	}
	if s.templates, err = s.parseTemplates(); err != nil {
		return nil, fmt.Errorf("parse templates: %w", err)
	}
	s.routes()
	return s, nil
}

// routes is the whole console. The noun's file has the handler.
func (s *Server) routes() {
	s.open("GET /{$}", s.goHome)
	s.open("GET /console", s.goHome)
	s.open("GET /console/static/{name}", s.serveAsset)
	s.open("GET /console/sign-in", s.showSignIn)
	s.open("POST /console/sign-in", s.signIn)
	s.open("GET /console/sign-in/oidc", s.beginSignIn)
	s.open("GET /console/sign-in/callback", s.finishSignIn)
	s.open("POST /console/sign-out", s.signOut)
	s.handle("GET /console/{$}", row{access: forAnyone}, s.chooseCenter)
	s.handle("GET /console/switch", row{access: forAnyone}, s.switchCenter)

	s.handle("GET /console/cc/{center}/{$}", row{live: overviewEvery, shared: true}, s.showOverview)

	s.handle("GET /console/cc/{center}/notices", row{needs: hook.PermitWebhooks}, s.showNotices)

	s.handle("GET /console/cc/{center}/live", row{needs: hook.PermitEventsRead}, s.showEvents)
	s.handle("GET /console/cc/{center}/live/stream", rowEvents(), s.streamEvents)

	s.interactionRoutes()
	s.webhookRoutes()
	s.keyRoutes()
	s.settingsRoutes()
	s.queueRoutes()
	s.deliveryRoutes()
	s.replayRoutes()
}

// Handler answers everything below [Path], and redirects / to it.
func (s *Server) Handler() http.Handler { return s.mux }

// Patterns returns those of all routes, in the order of the route table: tests and the benchmark leave none out.
func (s *Server) Patterns() []string { return slices.Clone(s.patterns) }

// Drain ends the live pages. It is called before the http.Server's Shutdown, which waits for every request.
func (s *Server) Drain() { s.once.Do(func() { close(s.draining) }) }

// now is the time in the precision that the store keeps.
func (s *Server) now() time.Time { return s.options.Now().UTC().Truncate(time.Millisecond) }
