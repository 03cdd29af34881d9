package walk_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
	"github.com/hookswitch/hookswitch/internal/store"
)

const (
	// storyLasts is how much of the past the story fills, in steps in which a little happens.
	storyLasts = 15 * time.Minute
	storyStep  = 10 * time.Second
	// brokenFor is for how long the receiver of the bills has failed when the story ends, and heldFor for how long its circuit is open.
	brokenFor = 7 * time.Minute
	heldFor   = 6 * time.Minute
)

// story is a quarter of an hour of a contact centre, written into a store as if it had happened: chats and secure e-mails, receivers that
// take them, and one that began to fail. Nothing of it is due when it ends, so that a server that is started on it sends nothing.
type story struct {
	t      *testing.T
	store  *store.Store
	center hook.ContactCenterNumber
	now    time.Time
	random *rand.Rand
	// open are the interactions that are still to be stopped.
	open []hook.InteractionID
	// seen is the chat whose life is shown: a receiver of it failed once, and another one holds its FINISHED.
	seen hook.InteractionID
}

// tell writes the story into a new store and returns the chat whose life is worth seeing.
func tell(t *testing.T, database string) hook.InteractionID {
	t.Helper()
	opened, err := store.Open(t.Context(), store.Options{Sealer: sealtest.Keyset(), Database: database, PublicURL: "https://hookswitch.example"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- opened.Run(ctx) }()
	center, err := opened.ContactCenter(hook.DefaultContactCenter)
	if err == nil {
		end := time.Now().UTC().Truncate(storyStep)
		s := &story{t: t, store: opened, center: center.Number, now: end.Add(-storyLasts), random: rand.New(rand.NewPCG(4, 20))}
		s.run(end)
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if err := opened.Close(); err != nil {
			t.Fatal(err)
		}
		return s.seen
	}
	cancel()
	t.Fatal(err, <-ended)
	return hook.InteractionID{}
}

func (s *story) run(end time.Time) {
	crm := s.webhook("CRM: screen pops", "https://crm.example/hooks/interactions")
	wall := s.webhook("Wallboard", "https://wallboard.example/in")
	bills := s.webhook("Billing", "https://billing.example/v2/interactions")
	archive := s.webhook("E-mail archive", "https://archive.example/mails", interaction.MediaEmail)
	for ; s.now.Before(end); s.now = s.now.Add(storyStep) {
		left := end.Sub(s.now)
		s.happen(left)
		s.attempt(crm, 30*time.Millisecond, hook.FailureNone)
		s.attempt(archive, 80*time.Millisecond, hook.FailureNone)
		if left == brokenFor {
			s.attempt(wall, 20*time.Millisecond, hook.FailureStatus)
		} else {
			s.attempt(wall, 20*time.Millisecond, hook.FailureNone)
		}
		switch {
		case left >= brokenFor:
			s.attempt(bills, 60*time.Millisecond, hook.FailureNone)
		case left > heldFor:
			s.attempt(bills, 60*time.Millisecond, hook.FailureStatus)
		case left == heldFor:
			since := hook.Circuit{Since: s.now, ProbeAt: end.Add(4 * time.Minute), Wait: 8 * time.Minute}
			if ok, err := s.store.SwapCircuit(s.t.Context(), bills.Number, hook.Circuit{}, since); err != nil || !ok {
				s.t.Fatal(ok, err)
			}
		}
	}
}

func (s *story) uuid() hook.UUID {
	var random [10]byte
	for i := range random {
		random[i] = byte(s.random.Uint32())
	}
	return hook.V7(s.now, random)
}

func (s *story) webhook(description, url string, media ...interaction.MediaType) *hook.Webhook {
	s.t.Helper()
	w := &hook.Webhook{
		ID: hook.WebhookID{UUID: s.uuid()}, ContactCenter: s.center, Settings: hook.DefaultSettings(),
		Secrets: hook.Secrets{Current: hook.NewSecret("a-secret-of-16-bytes-or-more")}, Enabled: true,
	}
	w.Settings.URL, w.Settings.Description, w.Settings.MediaTypes = url, description, media
	made, err := s.store.CreateWebhook(s.t.Context(), s.now, w, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return made
}

// happen lets interactions begin and end.
func (s *story) happen(left time.Duration) {
	s.t.Helper()
	subjects := [...]string{"Where is my parcel?", "The invoice is wrong", "A quote for 40 seats", "Does it come in blue?", "Change of address", "My contract"}
	queues := [...]string{"Support", "Support", "Sales", "Billing"}
	agents := [...]string{"ana.lopes", "ben.okafor", "chris.wei"}
	var changes []hook.Change
	stop := func(id hook.InteractionID) {
		changes = append(changes, hook.Change{Op: hook.OpAccept, ID: id, Agent: agents[s.random.IntN(len(agents))]},
			hook.Change{Op: hook.OpStop, ID: id, By: hook.ByAgentDesktop, Reason: "resolved"})
	}
	for len(s.open) > 40 {
		stop(s.open[0])
		s.open = s.open[1:]
	}
	count := 12 + int(6*math.Sin(float64(left)/float64(3*time.Minute))) + s.random.IntN(4)
	for range count {
		media := interaction.MediaChat
		if s.random.IntN(3) == 0 {
			media = interaction.MediaEmail
		}
		if left == brokenFor {
			media = interaction.MediaChat
		}
		id := hook.InteractionID{UUID: s.uuid()}
		changes = append(changes, hook.Change{Op: hook.OpCreate, ID: id, Draft: &hook.Draft{
			ID: id, SessionID: hook.SessionID{UUID: s.uuid()}, Media: media, Subtype: interaction.SubtypeInboundNew,
			Queue: queues[s.random.IntN(len(queues))], Content: hook.Content{Subject: subjects[s.random.IntN(len(subjects))]},
		}})
		s.open = append(s.open, id)
	}
	if left == brokenFor { // the last of them is the one that is seen
		s.seen = s.open[len(s.open)-1]
		s.open = s.open[:len(s.open)-1]
	}
	if left == brokenFor/2 {
		stop(s.seen)
	}
	results, err := s.store.AcceptChanges(s.t.Context(), s.center, s.now, changes, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			s.t.Fatal(r.Err)
		}
	}
}

// attempt makes one attempt of everything that is due at a webhook. What fails is due again a step later.
func (s *story) attempt(w *hook.Webhook, usual time.Duration, failure hook.Failure) {
	s.t.Helper()
	for {
		claimed, err := s.store.Claim(s.t.Context(), s.now, w.Number, 500)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(claimed) == 0 {
			return
		}
		outcomes := make([]hook.Outcome, len(claimed))
		var last time.Time
		for i, d := range claimed {
			took := usual + time.Duration(s.random.ExpFloat64()*float64(usual)/4)
			a := hook.Attempt{
				Number: d.Attempts + 1, StartedAt: s.now.Add(time.Duration(2+s.random.IntN(9)) * time.Millisecond), Duration: took, Status: 200,
				Response: []byte(`{"status":"ok"}`), Events: 1, Failure: failure,
				Timing: hook.Timing{DNS: took / 12, Connect: took / 6, TLS: took / 3, FirstByte: took - took/20},
			}
			outcomes[i] = hook.Outcome{Delivery: d, Attempt: a}
			if failure != hook.FailureNone {
				outcomes[i].Attempt.Status, outcomes[i].Attempt.Response = 503, []byte(`{"error":"the service is not available"}`)
				outcomes[i].Next = s.now.Add(storyStep)
			}
			if end := a.StartedAt.Add(took); end.After(last) {
				last = end
			}
		}
		if _, err := s.store.Record(s.t.Context(), last, outcomes); err != nil {
			s.t.Fatal(err)
		}
	}
}
