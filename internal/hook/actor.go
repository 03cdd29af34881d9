package hook

import (
	"context"
	"net/netip"
)

// Actor is who asks for a change, for the audit log: "admin key", "key <name>", or the server itself.
type Actor string

// ActorServer is the server itself, and whoever names no other.
const ActorServer Actor = "hookswitch"

// actorKey is the key of the actor in a context.
type actorKey struct{}

// WithActor returns a context for what the actor asks for.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf returns who asks for what is done under the context.
func ActorOf(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(Actor); ok {
		return a
	}
	return ActorServer
}

// From adds the address that a request came from, as net/http gives it: behind a proxy it is the proxy's. What a header says about the
// address is anybody's word.
func (a Actor) From(remote string) Actor {
	if from, err := netip.ParseAddrPort(remote); err == nil {
		a += Actor(" from " + from.Addr().Unmap().WithZone("").String())
	}
	return a
}
