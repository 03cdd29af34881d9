package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// The limits of a request, in bytes.
const (
	bodyBytesMax      = 1 << 20
	batchBodyBytesMax = 8 << 20
)

// Tester sends a webhook's test; the delivery engine is one.
type Tester interface {
	// Test sends one signed STARTED of a made-up interaction, or a made-up notice, once, and returns what came of it.
	Test(ctx context.Context, w *hook.Webhook) hook.Attempt
}

// Options are what a server needs.
type Options struct {
	Store  *store.Store
	Tester Tester
	// CheckURL says why a webhook's URL, which may be a mailto: one where it is for notices, can never be posted to, or nothing; nil
	// means that no URL is refused so early.
	CheckURL func(*url.URL) error
	// CheckLease says why this server could never send under a webhook's settings, because its leases are too short for
	// them, or nothing; nil means that all fit.
	CheckLease func(*hook.Settings) error
	// TraceOf finds the trace that a request belongs to in its headers; nil means that nobody traces.
	TraceOf func(http.Header) hook.Trace
	// Token finds who a bearer token shows: its errors are those of package hook (TokenError, UnjudgedError). nil means that no tokens
	// are taken. first, where it is not nil, is asked before a token that is not known is examined, and its error is returned.
	Token func(ctx context.Context, token string, first func() error) (hook.Caller, error)
	// RequestsMax bounds the requests that are worked on at a time, those that wait for events aside; zero means RequestsDefault.
	RequestsMax int
	// PublicURL is the base of every selfUri, without a trailing slash; the store's must be the same.
	PublicURL string
	// Log gets one line per request at the level debug, and internal errors; nil means nothing is logged.
	Log *slog.Logger
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Random is where ids and secrets come from, safe for concurrent use; nil means crypto/rand.
	Random io.Reader
	// Metrics is where the server's metrics are registered and what /metrics shows; nil means a registry of its own. One
	// registry serves one server.
	Metrics *prometheus.Registry
	// Version is the program's.
	Version string
}

// Server answers the HTTP API.
type Server struct {
	store     *store.Store
	tester    Tester
	checks    checks
	publicURL string
	version   string
	log       *slog.Logger
	clock     func() time.Time
	random    io.Reader

	mux      *http.ServeMux
	huma     huma.API
	metrics  *metrics
	document func() []byte
	// changes is the shape of one change of a batch.
	changes *shape
	callers callers
	waits   waits
}

// callers is what finding out who calls needs.
type callers struct {
	// centers remembers contact centres by number (hook.ContactCenterNumber to hook.ContactCenter).
	centers  sync.Map
	failures *failures
}

// checks are what the server asks of the process around it: the operator's rules about webhooks, of which those that are nil allow
// everything, the trace of a request, and who sent a token.
type checks struct {
	url   func(*url.URL) error
	lease func(*hook.Settings) error
	trace func(http.Header) hook.Trace
	token func(context.Context, string, func() error) (hook.Caller, error)
}

// waits is what requests share: those that wait for events and, in load, those that are worked on.
type waits struct {
	// count is how many wait.
	count atomic.Int64
	// draining is closed when they must end.
	draining chan struct{}
	once     sync.Once
	// began is what the times are counted from at which a crowd looks.
	began time.Time
	// pages reads for streams.
	pages *pages
	load  load
}

// New makes a server. It starts nothing.
func New(o Options) *Server {
	s := &Server{
		store: o.Store, tester: o.Tester, checks: checks{url: o.CheckURL, lease: o.CheckLease, trace: o.TraceOf, token: o.Token}, publicURL: o.PublicURL, version: o.Version,
		log: o.Log, clock: o.Now, random: o.Random, mux: http.NewServeMux(),
	}
	s.waits.draining = make(chan struct{})
	s.waits.began, s.waits.pages = time.Now(), newPages(s.readPage)
	s.waits.load.places = make(chan struct{}, cmp.Or(o.RequestsMax, RequestsDefault))
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.checks.trace == nil {
		s.checks.trace = func(http.Header) hook.Trace { return hook.Trace{} }
	}
	if s.random == nil {
		s.random = rand.Reader
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	s.metrics, s.callers.failures = newMetrics(o.Metrics, s), newFailures(o.Metrics, s.log)
	s.huma = humago.New(s.mux, s.config())
	s.routes()
	s.serveDocument()
	return s
}

// routes is the whole API. The noun's file has the row and the handler.
func (s *Server) routes() {
	route(s, "POST /v1/interactions", rowCreateInteraction(), s.createInteraction)
	route(s, "GET /v1/interactions", rowListInteractions(), s.listInteractions)
	route(s, "GET /v1/interactions/{id}", rowGetInteraction(), s.getInteraction)
	route(s, "POST /v1/interactions/{id}/submit", rowSubmitInteraction(), s.submitInteraction)
	route(s, "POST /v1/interactions/{id}/accept", rowAcceptInteraction(), s.acceptInteraction)
	route(s, "POST /v1/interactions/{id}/return", rowReturnInteraction(), s.returnInteraction)
	route(s, "POST /v1/interactions/{id}/stop", rowStopInteraction(), s.stopInteraction)
	route(s, "POST /v1/interactions/batch", s.rowChangeInteractions(), s.changeInteractions)

	route(s, "POST /v1/webhooks", rowCreateWebhook(), s.createWebhook)
	route(s, "GET /v1/webhooks", rowListWebhooks(), s.listWebhooks)
	route(s, "GET /v1/webhooks/{id}", rowGetWebhook(), s.getWebhook)
	route(s, "PATCH /v1/webhooks/{id}", rowUpdateWebhook(), s.updateWebhook)
	route(s, "DELETE /v1/webhooks/{id}", rowDeleteWebhook(), s.deleteWebhook)
	route(s, "POST /v1/webhooks/{id}/enable", rowEnableWebhook(), s.enableWebhook)
	route(s, "POST /v1/webhooks/{id}/disable", rowDisableWebhook(), s.disableWebhook)
	route(s, "POST /v1/webhooks/{id}/secrets", rowRotateSecrets(), s.rotateSecrets)
	route(s, "POST /v1/webhooks/{id}/test", rowTestWebhook(), s.testWebhook)

	route(s, "GET /v1/deliveries", rowListDeliveries(), s.listDeliveries)
	route(s, "GET /v1/deliveries/{id}", rowGetDelivery(), s.getDelivery)
	route(s, "POST /v1/deliveries/{id}/replay", rowReplayDelivery(), s.replayDelivery)
	route(s, "POST /v1/replays", rowCreateReplay(), s.createReplay)
	route(s, "GET /v1/replays", rowListReplays(), s.listReplays)
	route(s, "GET /v1/replays/{id}", rowGetReplay(), s.getReplay)
	route(s, "POST /v1/replays/{id}/pause", rowPauseReplay(), s.pauseReplay)
	route(s, "POST /v1/replays/{id}/resume", rowResumeReplay(), s.resumeReplay)
	route(s, "POST /v1/replays/{id}/cancel", rowCancelReplay(), s.cancelReplay)
	route(s, "GET /v1/events", rowListEvents(), s.listEvents)
	route(s, "GET /v1/notices", rowListNotices(), s.listNotices)

	route(s, "POST /v1/contact-centers", rowCreateContactCenter(), s.createContactCenter)
	route(s, "GET /v1/contact-centers", rowListContactCenters(), s.listContactCenters)
	route(s, "GET /v1/contact-centers/{id}", rowGetContactCenter(), s.getContactCenter)
	route(s, "PATCH /v1/contact-centers/{id}", rowUpdateContactCenter(), s.updateContactCenter)
	route(s, "GET /v1/contact-centers/{id}/retention/report", rowReportRetention(), s.reportRetention)
	route(s, "GET /v1/audit", rowListAudit(), s.listAudit)
	route(s, "GET /v1/master-key", rowGetMasterKey(), s.getMasterKey)

	route(s, "POST /v1/keys", rowCreateKey(), s.createKey)
	route(s, "GET /v1/keys", rowListKeys(), s.listKeys)
	route(s, "GET /v1/keys/{id}", rowGetKey(), s.getKey)
	route(s, "PATCH /v1/keys/{id}", rowUpdateKey(), s.updateKey)
	route(s, "DELETE /v1/keys/{id}", rowDeleteKey(), s.deleteKey)
	route(s, "POST /v1/keys/{id}/enable", rowEnableKey(), s.enableKey)
	route(s, "POST /v1/keys/{id}/disable", rowDisableKey(), s.disableKey)
	route(s, "POST /v1/keys/{id}/expire", rowExpireKey(), s.expireKey)

	route(s, "GET /nexus/v3/chat/sessions/{sessionId}/{interactionId}", rowReadChat(), s.readChat)
	route(s, "GET /nexus/v3/securemail/{sessionId}/{interactionId}", rowReadEmail(), s.readEmail)

	route(s, "GET /healthz", rowHealth(), s.health)
	route(s, "GET /readyz", rowReady(), s.ready)
	route(s, "GET /metrics", rowMetrics(), s.showMetrics)
}

// Drain ends the requests that wait for events and makes /readyz say no. It is called before the http.Server's Shutdown,
// which waits for every request.
func (s *Server) Drain() { s.waits.once.Do(func() { close(s.waits.draining) }) }

// now is the time in the precision that the API and the store keep.
func (s *Server) now() time.Time { return s.clock().UTC().Truncate(time.Millisecond) }

// newID makes a time-ordered identifier.
func (s *Server) newID(now time.Time) (hook.UUID, error) {
	return hook.ReadV7(s.random, now)
}

func (s *Server) registry() huma.Registry { return s.huma.OpenAPI().Components.Schemas }
