package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// readyWaitMax bounds how long /readyz waits for the store.
const readyWaitMax = 2 * time.Second

// Health is the answer of /healthz and /readyz.
type Health struct {
	Status  string `json:"status" doc:"ok, always: anything else is a problem document."`
	Version string `json:"version,omitempty" doc:"The program's version."`
}

func rowHealth() row {
	return row{
		id: "health", tag: "operation", summary: "Is the process alive?", about: "Asks for no key and looks at nothing.",
		access: open, status: http.StatusOK, answer: Health{},
	}
}

func (s *Server) health(context.Context, *request) (*answer, error) {
	return done(http.StatusOK, Health{Status: "ok", Version: s.version})
}

func rowReady() row {
	return row{
		id: "ready", tag: "operation", summary: "Can changes be committed?",
		about:  "Asks for no key. 503 when the store cannot commit, and while the server is draining.",
		access: open, status: http.StatusOK, answer: Health{}, errors: []int{http.StatusServiceUnavailable},
	}
}

func (s *Server) ready(ctx context.Context, _ *request) (*answer, error) {
	select {
	case <-s.waits.draining:
		return nil, notReady("the server is draining")
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, readyWaitMax)
	defer cancel()
	if err := s.store.Ready(ctx); err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "not ready", slog.Any("error", err))
		return nil, notReady("the store cannot commit now")
	}
	return done(http.StatusOK, Health{Status: "ok", Version: s.version})
}

func notReady(detail string) error {
	return newProblem(http.StatusServiceUnavailable, detail).with("Retry-After", retryAfterSeconds)
}

func rowMetrics() row {
	return row{
		id: "metrics", tag: "operation", summary: "Metrics for Prometheus", about: "For an admin key, because it is about all contact centres.",
		access: forInstallation, status: http.StatusOK, also: alternative{types: map[string]*huma.Schema{"text/plain": {Type: huma.TypeString}}},
	}
}
