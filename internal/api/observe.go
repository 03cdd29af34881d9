package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// routeUnknown is the route label of requests to no route, so that paths that callers make up make no new series.
const routeUnknown = "unknown"

// metrics are the server's own, and the page that shows all.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	page     http.Handler
}

func newMetrics(r *prometheus.Registry, s *Server) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hookswitch_api_requests_total", Help: "Requests by route and class of status.",
		}, []string{"route", "class"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hookswitch_api_request_duration_seconds", Help: "Time from the request's header to the end of the answer, by route.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .25, .5, 1, 5, 30, 60},
		}, []string{"route"}),
		page: promhttp.HandlerFor(r, promhttp.HandlerOpts{}),
	}
	r.MustRegister(m.requests, m.duration,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hookswitch_event_readers_waiting", Help: "Requests that wait for events now: long polls and streams.",
		}, func() float64 { return float64(s.waits.count.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hookswitch_api_requests_in_flight", Help: "Requests that are worked on now, those that wait for events aside.",
		}, func() float64 { return float64(len(s.waits.load.places)) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "hookswitch_api_requests_refused_total", Help: "Requests answered 503 because too many, or too large ones, were worked on.",
		}, func() float64 { return float64(s.waits.load.refused.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hookswitch_build_info", Help: "Always 1, with the program's version.", ConstLabels: prometheus.Labels{"version": s.version},
		}, func() float64 { return 1 }))
	return m
}

// Handler returns the server as one handler.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// serve is around every request: headers for all answers, the last resort for panics, one line and two metrics at the end.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	c := &call{ResponseWriter: w, server: s, r: r, now: s.now()}
	begun := time.Now() // a duration is measured by the monotonic clock, whatever time the server was told
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	defer func() {
		if cause := recover(); cause != nil {
			c.recovered(cause)
		}
		c.leave()
		s.observe(c, time.Since(begun))
	}()
	if full := c.enter(); full != nil {
		c.send(nil, full)
		return
	}
	s.mux.ServeHTTP(c, r)
}

// recovered answers a request whose handler panicked, where nothing was answered yet.
func (c *call) recovered(cause any) {
	if cause == http.ErrAbortHandler { //nolint:errorlint // the very value, by its contract
		panic(cause)
	}
	p := c.server.internal(fmt.Errorf("panic: %v\n%s", cause, debug.Stack()))
	if c.status == 0 {
		c.send(nil, p)
	}
}

func (s *Server) observe(c *call, took time.Duration) {
	pattern := c.r.Pattern
	if pattern == "" || pattern == "/" {
		pattern = routeUnknown
	}
	s.metrics.requests.WithLabelValues(pattern, statusClass(c.status)).Inc()
	s.metrics.duration.WithLabelValues(pattern).Observe(took.Seconds())
	if ctx := c.r.Context(); s.log.Enabled(ctx, slog.LevelDebug) {
		s.log.LogAttrs(ctx, slog.LevelDebug, "request answered", slog.String("method", shownMethod(c.r.Method)), slog.String("route", pattern),
			slog.String("path", c.shownPath()), slog.Int("status", c.status), slog.Duration("took", took),
			slog.String("contactCenter", string(c.center.ID)))
	}
}

// shownMethod is the method that is logged: none that no route has, because a caller may write anything there, a key too.
func shownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return routeUnknown
}

// shownPath is the path that is logged: none of a request that was not answered, because what somebody has mistaken for an id may be a key.
func (c *call) shownPath() string {
	if c.status >= 400 {
		return ""
	}
	return clip(c.r.URL.Path)
}

func statusClass(status int) string {
	classes := [...]string{"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"}
	if class := status / 100; class < len(classes) {
		return classes[class]
	}
	return "other"
}

// noPath is the detail of a 404 that is about no record.
const noPath = "there is nothing at this path"

// unknownPath answers what no route is for: 405 where the path has other methods, 404 elsewhere.
func (s *Server) unknownPath(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		if _, pattern := s.mux.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host}); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 && r.Method == http.MethodOptions { // what may be asked here; no origin is told that it may
		w.Header().Set("Allow", strings.Join(append(allowed, http.MethodOptions), ", "))
		w.WriteHeader(http.StatusNoContent)
		return
	}
	p := newProblem(http.StatusNotFound, noPath)
	if len(allowed) > 0 && !slices.Contains(allowed, r.Method) {
		p = newProblem(http.StatusMethodNotAllowed, "this path is for "+strings.Join(allowed, ", ")).
			with("Allow", strings.Join(allowed, ", "))
	}
	if c, ok := w.(*call); ok { // every request is one: see serve
		c.send(nil, p)
	}
}

func (s *Server) showMetrics(context.Context, *request) (*answer, error) {
	return &answer{stream: func(c *call) { s.metrics.page.ServeHTTP(c, c.r) }}, nil
}
