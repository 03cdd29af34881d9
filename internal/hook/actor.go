package hook

import "context"

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
