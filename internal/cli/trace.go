package cli

import (
	"context"
	"time"

	"github.com/hookswitch/hookswitch/internal/delivery"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/trace"
)

// traceEndTimeout is how long a server that ends waits for the collector to take its last spans.
const traceEndTimeout = 2 * time.Second

// traced are the places that tell the tracer; both are nil without one.
type traced struct {
	accepted func(*hook.Event)
	posts    delivery.Tracer
}

// startTracing makes the tracer, if the configuration names a collector.
func (n *node) startTracing(ctx context.Context) (t traced, err error) {
	if n.config.Traces.Endpoint == nil {
		return t, nil
	}
	n.tracer, err = trace.New(ctx, trace.Options{
		Endpoint: n.config.Traces.Endpoint, Sample: n.config.Traces.Sample, Version: readBuild().Version, Node: n.publicURL(), Log: n.log,
	})
	if err != nil {
		return t, err
	}
	return traced{accepted: n.tracer.Accepted, posts: n.tracer}, nil
}

// stopTracing sends the last spans. The end of the server, which ctx tells, is no reason to lose them.
func (n *node) stopTracing(ctx context.Context) {
	if n.tracer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), traceEndTimeout)
	defer cancel()
	if err := n.tracer.Close(ctx); err != nil {
		n.log.Warn("the collector of traces did not take the last spans", "error", err)
	}
}
