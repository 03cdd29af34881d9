package gate

import (
	"net/http"
	"net/http/pprof" // also registers itself with the default mux, which nobody serves
)

// OperationsConnectionsMax bounds the connections of the operators' listener.
const OperationsConnectionsMax = 64

// Operations returns what the operators' own listener answers: the metrics without a key, profiles, and the two paths of health, which api
// answers. The command line is not shown: it may hold a key.
func Operations(api, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", api)
	mux.Handle("GET /readyz", api)
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
