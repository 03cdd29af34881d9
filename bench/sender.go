package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/signature"
)

const (
	// benchSecret is the secret of every webhook here, so that the sink can verify with one key.
	benchSecret = "bench-secret-of-thirty-two-bytes"
	// publicURL is the base of every selfUri. It is not resolved by anybody.
	publicURL = "https://hookswitch.example"
	// senderTimeout bounds one POST of raw and relay, as requestTimeout bounds one of a webhook.
	senderTimeout = 10 * time.Second
	// sinkAnswerBytesMax is how much of an answer is read.
	sinkAnswerBytesMax = 4 << 10
)

// A sender signs and POSTs, as raw and relay do: with net/http, the three signatures and the headers of a delivery, and
// nothing else.
type sender struct {
	client *http.Client
	signer *signature.Signer
}

func newSender(conns int) *sender {
	return &sender{
		signer: signature.NewSigner([]byte(benchSecret)),
		client: &http.Client{
			Transport: &http.Transport{
				MaxIdleConns: conns, MaxIdleConnsPerHost: conns, DisableCompression: true, IdleConnTimeout: time.Minute,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// post sends one body and reads the answer. The id is that of the delivery.
func (s *sender) post(ctx context.Context, url string, body []byte, id string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, senderTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	now := time.Now()
	h := request.Header
	h["Content-Type"] = []string{interaction.ContentType}
	h["User-Agent"] = []string{"hookswitch-bench"}
	h["X-Ccid"] = []string{"default"}
	h["X-Hub-Signature"] = []string{s.signer.Hub(body)}
	h["X-Hub-Signature-256"] = []string{s.signer.Hub256(body)}
	h["Webhook-Id"] = []string{id}
	h["Webhook-Timestamp"] = []string{strconv.FormatInt(now.Unix(), 10)}
	h["Webhook-Signature"] = []string{s.signer.Standard(id, now, body)}
	h["X-B3-Traceid"] = []string{traceOf(id)}
	h["X-B3-Spanid"] = []string{traceOf(id)[:16]}
	h["X-B3-Sampled"] = []string{"1"}
	h["Hookswitch-Attempt"] = []string{"1"}
	h["Hookswitch-Delivery"] = []string{id}
	response, err := s.client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("send: %w", err)
	}
	defer done(response.Body)
	if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, sinkAnswerBytesMax)); err != nil {
		return 0, fmt.Errorf("read answer: %w", err)
	}
	return response.StatusCode, nil
}

// appendRequest appends the same request as text, for the generator's own connections.
func (s *sender) appendRequest(dst []byte, host string, body []byte, id string) []byte {
	now := time.Now()
	field := func(name, value string) {
		dst = append(append(append(append(dst, name...), ": "...), value...), "\r\n"...)
	}
	dst = append(append(append(dst, "POST "...), sinkPath(0)...), " HTTP/1.1\r\n"...)
	field("Host", host)
	field("Content-Length", strconv.Itoa(len(body)))
	field("Content-Type", interaction.ContentType)
	field("User-Agent", "hookswitch-bench")
	field("X-Ccid", "default")
	dst = append(s.signer.AppendHub(append(dst, "X-Hub-Signature: "...), body), "\r\n"...)
	dst = append(s.signer.AppendHub256(append(dst, "X-Hub-Signature-256: "...), body), "\r\n"...)
	field("Webhook-Id", id)
	field("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	dst = append(s.signer.AppendStandard(append(dst, "Webhook-Signature: "...), id, now, body), "\r\n"...)
	field("X-B3-Traceid", traceOf(id))
	field("X-B3-Spanid", traceOf(id)[:16])
	field("X-B3-Sampled", "1")
	field("Hookswitch-Attempt", "1")
	field("Hookswitch-Delivery", id)
	return append(append(dst, "\r\n"...), body...)
}

// traceOf makes 32 hexadecimal digits of an id of 36 characters.
func traceOf(id string) string {
	return id[0:8] + id[9:13] + id[14:18] + id[19:23] + id[24:36]
}

// payloadText is the body that raw POSTs: one STARTED, with a place for the interaction's id.
func payloadText() string {
	return string(interaction.Payload{
		OperationID: "f6c49d91-926b-4473-b2f3-8d8fd295c968",
		Entities:    []interaction.EntityEvent{entityEvent(interaction.EventStarted, idMark, "49a0ed5c-77b8-4091-a0c2-1d904ff709b0", "8e09e19f-b8ba-4db0-b6e7-dfc8a7776176")},
	}.Append(nil))
}

func entityEvent(event interaction.Event, id, session, idInPath string) interaction.EntityEvent {
	return interaction.EntityEvent{Event: event, Entity: interaction.Entity{
		ID: id, MediaType: interaction.MediaChat, Subtype: interaction.SubtypeInboundNew,
		SelfURI: publicURL + interaction.SelfPath(interaction.MediaChat, session, idInPath),
	}}
}

// randomUUID formats 16 random bytes as a version 4 UUID.
func randomUUID(random [16]byte) string {
	random[6], random[8] = random[6]&0x0f|0x40, random[8]&0x3f|0x80
	var text [identBytes]byte
	putUUID(text[:], random)
	return string(text[:])
}
