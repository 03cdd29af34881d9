package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
)

// relayQueueMax bounds the POSTs that wait for a worker; then the handler waits too.
const relayQueueMax = 4096

// A relay is the limit that hookswitch is compared with: it accepts the same requests, makes the same payload, signs it
// and POSTs it on, and stores nothing.
type relay struct {
	sink     string
	webhooks int
	waits    bool // answer after the sink did, not before
	sender   *sender
	queue    chan relayed
	workers  sync.WaitGroup
}

type relayed struct {
	webhook int
	body    []byte
	id      string
}

type relayArgs struct {
	Sink        string `json:"sink"`
	Webhooks    int    `json:"webhooks"`
	Concurrency int    `json:"concurrency"`
	Waits       bool   `json:"waits"`
}

func newRelay(a relayArgs) *relay {
	r := &relay{sink: a.Sink, webhooks: a.Webhooks, waits: a.Waits, sender: newSender(a.Concurrency), queue: make(chan relayed, relayQueueMax)}
	for range a.Concurrency {
		r.workers.Go(func() {
			for d := range r.queue {
				r.deliver(d)
			}
		})
	}
	return r
}

// routes are the two calls of the API that the relay has.
func (r *relay) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/interactions", r.create)
	mux.HandleFunc("POST /v1/interactions/{id}/stop", r.stop)
	return mux
}

// A relayFront is a relay with its routes.
type relayFront struct {
	*relay
	http.Handler
}

func (r *relay) close() {
	close(r.queue)
	r.workers.Wait()
	r.sender.client.CloseIdleConnections()
}

func (r *relay) deliver(d relayed) {
	status, err := r.sender.post(context.Background(), "http://"+r.sink+sinkPath(d.webhook), d.body, d.id)
	if err != nil || status != http.StatusOK {
		log.Printf("relay: status %d: %v", status, err) // the trial will find it missing
	}
}

// relayRequest is what a create says; hookswitch reads the same.
type relayRequest struct {
	MediaType interaction.MediaType `json:"mediaType"`
	Subtype   interaction.Subtype   `json:"subtype"`
	Queue     string                `json:"queue"`
	ID        string                `json:"id"`
	SessionID string                `json:"sessionId"`
	Subject   string                `json:"subject"`
	UserData  map[string]string     `json:"userData"`
}

// relayAnswer is what a create or a stop answers.
type relayAnswer struct {
	relayRequest
	State       string    `json:"state"`
	SelfURI     string    `json:"selfUri"`
	CreatedAt   time.Time `json:"createdAt"`
	SubmittedAt time.Time `json:"submittedAt"`
}

func (r *relay) create(w http.ResponseWriter, req *http.Request) {
	var body relayRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, sinkBodyBytesMax)).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.pass(w, interaction.EventStarted, body, http.StatusCreated)
}

func (r *relay) stop(w http.ResponseWriter, req *http.Request) {
	var reason struct {
		By     string `json:"by"`
		Reason string `json:"reason"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, sinkBodyBytesMax)).Decode(&reason); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	// It stores nothing, so it does not know the interaction: all but the id is made up, at the same size.
	r.pass(w, interaction.EventFinished, relayRequest{
		ID: req.PathValue("id"), SessionID: req.PathValue("id"), MediaType: interaction.MediaChat, Subtype: interaction.SubtypeInboundNew,
	}, http.StatusOK)
}

func (r *relay) pass(w http.ResponseWriter, event interaction.Event, body relayRequest, status int) {
	entity := entityEvent(event, body.ID, body.SessionID, body.ID)
	payload := interaction.Payload{OperationID: newRandomUUID(), Entities: []interaction.EntityEvent{entity}}.Append(nil)
	for webhook := range r.webhooks {
		d := relayed{webhook: webhook, body: payload, id: newRandomUUID()}
		if r.waits {
			r.deliver(d)
		} else {
			r.queue <- d
		}
	}
	now := time.Now().UTC()
	answer, err := json.Marshal(relayAnswer{relayRequest: body, State: "QUEUED", SelfURI: entity.Entity.SelfURI, CreatedAt: now, SubmittedAt: now})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header()["Content-Type"] = []string{"application/json"}
	w.WriteHeader(status)
	// The generator notices an answer that is missing.
	_, _ = w.Write(answer)
}

func newRandomUUID() string {
	var random [16]byte
	rand.Read(random[:]) // never fails: see crypto/rand
	return randomUUID(random)
}

// runRelay is the role. It has one address for all trials; each trial opens a relay with its own settings behind it.
func runRelay(ctx context.Context, in io.Reader, out io.Writer) error {
	listener, err := listen(ctx)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	var current atomic.Pointer[relayFront] // changed between trials, when no request is under way
	front := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { current.Load().ServeHTTP(w, r) })
	server := &http.Server{Handler: front, ReadHeaderTimeout: time.Minute}
	go func() {
		// Serve ends when this process does.
		_ = server.Serve(listener)
	}()
	return obey(ctx, in, out, map[string]verb{
		"address": with(func(context.Context, struct{}) (any, error) { return listener.Addr().String(), nil }),
		"open": with(func(_ context.Context, a relayArgs) (any, error) {
			r := newRelay(a)
			if before := current.Swap(&relayFront{r, r.routes()}); before != nil {
				before.close()
			}
			return nil, nil
		}),
	})
}
