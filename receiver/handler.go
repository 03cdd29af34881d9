package receiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/signature"
)

const (
	// doneTimeout bounds a Done, which must not end with the request's context: the outcome has to be noted even when
	// the sender has hung up.
	doneTimeout = 10 * time.Second
	// bodyBytesTrusted is how much memory a Content-Length is believed before its bytes have arrived.
	bodyBytesTrusted = 64 << 10
)

// ErrMethod says that a request was not a POST.
var ErrMethod = errors.New("method is not POST")

// ErrBusy says that the same event is being handled at the moment, by an earlier POST.
var ErrBusy = errors.New("event is being handled")

// Handler receives the webhook. New makes it.
type Handler struct {
	verifier     *signature.Verifier
	handle       Func
	seen         Seen
	bodyBytesMax int64
	onReject     func(r *http.Request, err error)

	// patience is for explaining a wrong signature, which costs much more than finding out that it is wrong.
	patience signature.Patience
}

// ServeHTTP verifies, handles and answers one POST.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ids, refused := h.receive(w, r)
	if refused != nil {
		h.onReject(r, refused.err)
		writeProblem(w, refused.problem)
		return
	}
	writeAnswer(w, ids)
}

// receive does everything but answer. It gives the ids of the interactions in the body.
func (h *Handler) receive(w http.ResponseWriter, r *http.Request) ([]string, *refusal) {
	if r.Method != http.MethodPost {
		return nil, refuseMethod()
	}
	body, err := h.read(w, r)
	if err != nil {
		return nil, refuseBody(err)
	}
	secret, err := h.verify(r.Header, body)
	if err != nil {
		return nil, refuseSignature(err)
	}
	payload, err := interaction.Parse(body)
	if err != nil {
		return nil, refusePayload(err)
	}
	return h.handleAll(r.Context(), payload.Entities, newDelivery(r.Header, payload.OperationID, secret))
}

func (h *Handler) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > h.bodyBytesMax {
		return nil, fmt.Errorf("read body: %w", &http.MaxBytesError{Limit: h.bodyBytesMax})
	}
	var body bytes.Buffer
	if r.ContentLength > 0 {
		// ReadFrom wants MinRead bytes to spare, or it grows the buffer at the end of every body.
		body.Grow(int(min(r.ContentLength, bodyBytesTrusted)) + bytes.MinRead)
	}
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, h.bodyBytesMax)); err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	return body.Bytes(), nil
}

// verify tells which secret signed. It explains a wrong signature only if no other request is being explained at the moment, and if
// explanations have not taken too much time lately. If not, a changed body is reported as a wrong secret.
func (h *Handler) verify(header http.Header, body []byte) (secret int, err error) {
	if secret, err = h.verifier.Which(header, body); err != nil {
		h.patience.Explain(func() { err = h.verifier.Verify(header, body) })
	}
	return secret, err
}

// handleAll handles the events one after another. One that fails does not keep the others from being handled, so that
// an event which can never succeed does not take those along that came with it.
func (h *Handler) handleAll(ctx context.Context, events []interaction.EntityEvent, d Delivery) ([]string, *refusal) {
	ids := make([]string, 0, len(events))
	var refusals []error
	anyFailed := false
	for _, e := range events {
		if err := ctx.Err(); err != nil {
			// The sender has given up, so the rest will come again.
			refusals = append(refusals, fmt.Errorf("handle the other events: %w", err))
			break
		}
		if failed, err := h.handleOne(ctx, e, d); err != nil {
			refusals = append(refusals, fmt.Errorf("handle %s of %q: %w", e.Event, e.Entity.ID, err))
			anyFailed = anyFailed || failed
		}
		ids = append(ids, e.Entity.ID)
	}
	if len(refusals) > 0 {
		return nil, refuseEvents(errors.Join(refusals...), anyFailed)
	}
	return ids, nil
}

// handleOne handles one event. It says about an error whether handling was begun and failed; otherwise it was not
// begun.
func (h *Handler) handleOne(ctx context.Context, e interaction.EntityEvent, d Delivery) (failed bool, err error) {
	key := Key{InteractionID: e.Entity.ID, Event: e.Event}
	state, err := h.seen.Begin(ctx, key)
	if err != nil {
		return false, fmt.Errorf("begin event: %w", err)
	}
	switch state {
	case Handled:
		return false, nil
	case Busy:
		return false, ErrBusy
	case Fresh:
		return true, h.call(ctx, key, e, d)
	}
	return false, fmt.Errorf("begin event: Seen gave the unknown state %d", state)
}

// call calls the function for an event that is ours, and notes how it ended.
func (h *Handler) call(ctx context.Context, key Key, e interaction.EntityEvent, d Delivery) (err error) {
	ok := false
	// Deferred without recover: a panic of the function lets the event go and continues with its own stack, to where
	// the program wants it. A Done that fails then has nobody to be told; a Seen that outlives the process frees the
	// event in time.
	defer func() {
		doneCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), doneTimeout)
		defer cancel()
		if doneErr := h.seen.Done(doneCtx, key, ok); doneErr != nil {
			err = errors.Join(err, fmt.Errorf("note event: %w", doneErr))
		}
	}()
	if err := h.handle(ctx, e, d); err != nil {
		return err
	}
	ok = true
	return nil
}
