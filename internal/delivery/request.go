package delivery

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// concealed stands for a header's value that is the webhook's own affair.
const concealed = "***"

// spanOf makes the id of an attempt's span, which X-B3-SpanId carries: the first 8 bytes of the SHA-256 of the trace id as it is sent, the
// delivery's id, the attempt's number and when it began, in milliseconds since 1970, both as 8 bytes with the highest first. Whoever has
// the stored attempt can make it again. A POST of several deliveries has that of its first one. Zeros would be no id (B3 Propagation).
func spanOf(trace string, delivery hook.DeliveryID, number int, began time.Time) (id [8]byte) {
	var text [64]byte // what it is made of usually
	b := append(append(text[:0], trace...), delivery.UUID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(number))
	b = binary.BigEndian.AppendUint64(b, uint64(began.UnixMilli()))
	sum := sha256.Sum256(b)
	if copy(id[:], sum[:]); id == [8]byte{} {
		id[7] = 1
	}
	return id
}

// Request returns the headers that an attempt of one event to a webhook had, as far as they can be known now, for people to look at and to
// repeat: number and began are the stored attempt's. What the HTTP client adds (Host, Content-Length) is not among them.
//
// They are those that the webhook's present settings and secrets make. An attempt that was made before either was changed
// ([hook.Webhook.UpdatedAt] says when the webhook was, [hook.Webhook.Secrets] whether a rotation is under way) may have had others, as one by
// another version of Hookswitch had another User-Agent. The webhook's own headers and its Authorization have three stars for values. Where
// retention has emptied the payload, there are no signatures: none would be right. A webhook whose secrets cannot be opened here
// has no headers but [hook.ErrLocked].
func (e *Engine) Request(w *hook.Webhook, event *hook.Event, number int, began time.Time) (http.Header, error) {
	t, err := newTarget(w, e.options.Version)
	if err != nil {
		return nil, err
	}
	d := &hook.Delivery{Event: event, Webhook: w.Number, Attempts: number - 1}
	m := single(d)
	m.unsampled = e.unsampled([]*hook.Delivery{d})
	h := t.header(m, began, spanOf(m.trace, d.ID(), m.attempt, began))
	for name := range t.headers {
		h[name] = []string{concealed}
	}
	if t.credentials != nil && t.credentials.Authorization.OAuth2 != nil {
		h["Authorization"] = []string{concealed}
	}
	if len(event.Payload) == 0 {
		for _, name := range []string{headerHub, headerHub256, headerStandard} {
			h.Del(name)
		}
		h.Del(hook.NoticeHeader) // what a notice is about is in its payload
	}
	return h, nil
}
