// Package trace tells a collector of distributed traces what became of each event, from the request that made it to its
// acknowledgement, and finds in a request's headers which trace it belongs to.
//
// # What it guarantees
//
//  1. An event has one trace. Where the request that made the event carried one (B3 Propagation, or W3C Trace Context), it is that
//     one; else it is made of the event's operation id. It is the one that X-B3-TraceId names to receivers, over all attempts, replays,
//     restarts and nodes.
//  2. In that trace are a span for the acceptance, from the request's arrival to its commit, and one for each attempt, from before the
//     look-up of the receiver's name to its answer. All attempts are children of the acceptance, whichever node makes them and
//     whenever: the acceptance's span is named after the operation id, so that nobody has to remember it. A POST of several events
//     has a span in each of their traces, and one of its own that is linked with them.
//  3. Whoever made the trace decides whether it is sampled. Where nobody has, [Options].Sample of the traces are, chosen by their id,
//     so that all nodes choose the same.
//  4. Nothing waits for the collector: spans queue in bounded memory, and those that find no room are dropped. Neither an event nor
//     its delivery depends on any of this.
//
// # What may fail
//
// A collector that is away, slow or wrong costs spans, and a line in the log now and then. [Tracer.Close] waits for the last spans no
// longer than its context allows.
//
// Without a collector there is no [Tracer]; [FromHeader] works all the same, so that a trace passes through.
package trace
