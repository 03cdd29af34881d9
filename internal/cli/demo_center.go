package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/hookswitch/hookswitch/client"
	"github.com/hookswitch/hookswitch/interaction"
)

// The contact centre of the demo.
const (
	// conversationsMax bounds how many interactions are open at a time; when they are, opening waits.
	conversationsMax = 2_000
	// conversationSpanMax bounds how long an interaction is open.
	conversationSpanMax = 3 * time.Second
)

// conversation is the plan of one interaction.
type conversation struct {
	id, session uuid.UUID
	media       interaction.MediaType
	subtype     interaction.Subtype
	queue       string
	wait, talk  time.Duration
	transfer    bool
	by          string
}

// plan draws the next conversation.
func plan(r *rand.Rand) conversation {
	c := conversation{
		id: randomID(r), session: randomID(r), media: interaction.MediaChat, queue: pick(r, "support", "sales", "billing"),
		subtype: pick(r, interaction.Subtypes()...),
		wait:    time.Duration(r.Int64N(int64(conversationSpanMax / 3))), talk: time.Duration(r.Int64N(int64(conversationSpanMax * 2 / 3))),
		transfer: r.IntN(5) == 0, by: pick(r, "agentDesktop", "agentDesktop", "agentDesktop", "workflow"),
	}
	if r.IntN(3) == 0 {
		c.media, c.subtype = interaction.MediaEmail, pick(r, interaction.SubtypeInboundNew, interaction.SubtypeOutbound)
	}
	return c
}

func pick[T any](r *rand.Rand, choices ...T) T { return choices[r.IntN(len(choices))] }

// randomID makes a UUID (RFC 9562, version 4) from the demo's own randomness.
func randomID(r *rand.Rand) uuid.UUID {
	var id uuid.UUID
	for i := range id {
		id[i] = byte(r.Uint32())
	}
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

// work opens conversations at the rate until closing, and returns when all are closed.
func (d *demo) work(ctx context.Context, closing <-chan struct{}) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := rand.New(rand.NewPCG(d.options.seed, d.options.seed)) //nolint:gosec // chats need no secrecy
	tick := time.NewTicker(time.Duration(float64(time.Second) / d.options.rate))
	defer tick.Stop()
	var open sync.WaitGroup
	room := make(chan struct{}, conversationsMax)
	begin := func(c conversation) {
		defer func() { <-room }()
		if err := d.converse(ctx, c, closing); err != nil {
			cancel(err) // the first one ends them all
		}
	}
	for opening := true; opening; {
		select {
		case room <- struct{}{}:
			c := plan(r)
			open.Go(func() { begin(c) })
		case <-closing:
		case <-ctx.Done():
		}
		select {
		case <-tick.C:
		case <-closing:
			opening = false
		case <-ctx.Done():
			opening = false
		}
	}
	open.Wait()
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("contact centre: %w", err)
	}
	return nil
}

// converse leads one interaction from its creation to its stop. When the contact centre is closing, nothing is waited for.
func (d *demo) converse(ctx context.Context, c conversation, closing <-chan struct{}) error {
	draft := interactionDraft{
		MediaType: string(c.media), Subtype: string(c.subtype), Queue: c.queue, ID: c.id.String(), SessionID: c.session.String(), Subject: "demo",
	}
	err := d.emit(c, interaction.EventStarted, draft, func(body io.Reader) (*http.Response, error) {
		return d.client.CreateInteractionWithBody(ctx, nil, contentJSON, body)
	})
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	pause(ctx, c.wait, closing)
	if err := d.accept(ctx, c); err != nil {
		return err
	}
	if c.transfer {
		err := d.post(map[string]string{"queue": "second level"}, func(body io.Reader) (*http.Response, error) {
			return d.client.ReturnInteractionWithBody(ctx, c.id, nil, contentJSON, body)
		})
		if err != nil {
			return fmt.Errorf("transfer: %w", err)
		}
		if err := d.accept(ctx, c); err != nil {
			return err
		}
	}
	pause(ctx, c.talk, closing)
	err = d.emit(c, interaction.EventFinished, map[string]string{"by": c.by, "reason": "resolved"}, func(body io.Reader) (*http.Response, error) {
		return d.client.StopInteractionWithBody(ctx, c.id, nil, contentJSON, body)
	})
	if err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

func (d *demo) accept(ctx context.Context, c conversation) error {
	err := d.post(map[string]string{"agent": "a.smith"}, func(body io.Reader) (*http.Response, error) {
		return d.client.AcceptInteractionWithBody(ctx, c.id, nil, contentJSON, body)
	})
	if err != nil {
		return fmt.Errorf("accept: %w", err)
	}
	return nil
}

// emit makes a request that emits an event, and books the event: before, for the webhook may arrive before the answer.
func (d *demo) emit(c conversation, event interaction.Event, document any, call func(io.Reader) (*http.Response, error)) error {
	key := eventKey{id: c.id.String(), event: event}
	d.ledger.expect(key)
	err := d.post(document, call)
	d.ledger.answered(key, err == nil)
	return err
}

func (d *demo) post(document any, call func(io.Reader) (*http.Response, error)) error {
	body, err := jsonBody(document)
	if err != nil {
		return err
	}
	_, err = d.ask(func() (*http.Response, error) { return call(body) })
	return err
}

// pause waits, but not for somebody who is closing.
func pause(ctx context.Context, d time.Duration, closing <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-closing:
	case <-ctx.Done():
	}
}

func idOf(raw []byte) (string, error) {
	var record struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(raw, &record); err != nil {
		return "", fmt.Errorf("read answer: %w", err)
	}
	return record.ID, nil
}

// askServer counts the deliveries to the demo's webhook as the server sees them. Outcomes are recorded a moment after
// they are known, so it asks until nothing is pending or ctx ends.
func (d *demo) askServer(ctx context.Context, c *demoCounts) error {
	for {
		counts := map[client.DeliveryState]int{}
		if err := d.countDeliveries(ctx, counts); err != nil {
			return fmt.Errorf("ask the server for its deliveries: %w", err)
		}
		c.Server = serverCounts{
			Delivered: counts["delivered"], Exhausted: counts["exhausted"], Pending: counts["pending"] + counts["held"],
		}
		if c.Server.Pending == 0 {
			return nil
		}
		select {
		case <-time.After(serverAskEvery):
		case <-ctx.Done():
			return nil
		}
	}
}

// serverAskEvery is how often the server is asked whether it has recorded everything.
const serverAskEvery = 50 * time.Millisecond

func (d *demo) countDeliveries(ctx context.Context, counts map[client.DeliveryState]int) error {
	cursor := ""
	for {
		q := url.Values{"webhookId": {d.webhook}, "limit": {"200"}}
		if cursor != "" {
			q.Set("cursor", cursor)
		}
		raw, err := d.ask(func() (*http.Response, error) { return d.client.ListDeliveries(ctx, nil, withQuery(q)) })
		if err != nil {
			return err
		}
		var page struct {
			Items []struct {
				State client.DeliveryState `json:"state"`
			} `json:"items"`
			NextCursor string `json:"nextCursor"`
		}
		if err := json.Unmarshal(raw, &page); err != nil {
			return fmt.Errorf("read deliveries: %w", err)
		}
		for _, item := range page.Items {
			counts[item.State]++
		}
		if cursor = page.NextCursor; cursor == "" {
			return nil
		}
	}
}
