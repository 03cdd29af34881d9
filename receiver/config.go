package receiver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/signature"
)

// BodyBytesMaxDefault bounds a body: more than five times the largest one that Hookswitch sends.
const BodyBytesMaxDefault = 1 << 20

// Func handles one event. It must be safe for use from many goroutines. An error makes the sender deliver again; its
// text goes to OnReject, not to the sender.
type Func func(ctx context.Context, e interaction.EntityEvent, d Delivery) error

// Config is what New needs. Secrets and Handle are required.
type Config struct {
	// Secrets holds the webhook's app secret; during a rotation, the old one and the new one in any order.
	Secrets [][]byte
	// Handle is called for every event that was not handled before.
	Handle Func
	// Seen remembers events. Nil means NewMemory(MemoryCapacityDefault).
	Seen Seen
	// BodyBytesMax bounds the body. Zero or less means BodyBytesMaxDefault.
	BodyBytesMax int64
	// OnReject gets the error of every request that is not answered 200: a *signature.Error, an
	// *interaction.ParseError, an *http.MaxBytesError, ErrMethod, ErrBusy, your function's error, or one of Seen,
	// wrapped. Nil means a warning to slog.Default.
	OnReject func(r *http.Request, err error)
}

// ErrNoSecret says that a Config has no secret, or an empty one: anybody could sign with that.
var ErrNoSecret = errors.New("receiver needs a secret that is not empty")

// ErrNoFunc says that a Config has no function to call.
var ErrNoFunc = errors.New("receiver needs a function to call")

// New makes a Handler. It fails with ErrNoSecret or ErrNoFunc.
func New(c Config) (*Handler, error) {
	if len(c.Secrets) == 0 {
		return nil, ErrNoSecret
	}
	for _, secret := range c.Secrets {
		if len(secret) == 0 {
			return nil, ErrNoSecret
		}
	}
	if c.Handle == nil {
		return nil, ErrNoFunc
	}
	h := &Handler{
		verifier:     signature.NewVerifier(c.Secrets...),
		handle:       c.Handle,
		seen:         c.Seen,
		bodyBytesMax: c.BodyBytesMax,
		onReject:     c.OnReject,
	}
	if h.seen == nil {
		h.seen = NewMemory(MemoryCapacityDefault)
	}
	if h.bodyBytesMax <= 0 {
		h.bodyBytesMax = BodyBytesMaxDefault
	}
	if h.onReject == nil {
		h.onReject = logReject
	}
	return h, nil
}

func logReject(r *http.Request, err error) {
	//nolint:sloglint // The default logger is what the documentation of OnReject promises; who wants another sets OnReject.
	slog.WarnContext(r.Context(), "webhook not acknowledged", "error", err, "remote", r.RemoteAddr,
		"delivery", r.Header.Get(interaction.DeliveryHeader), "trace", r.Header.Get(interaction.TraceHeader))
}
