package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// Guarantee 2 and I1: a created interaction is there as it was drafted; with a queue it is submitted in the same step.
func TestAcceptCreates(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		id, session := newInteraction(), hook.SessionID{UUID: newUUID()}
		draft := &hook.Draft{
			ID: id, SessionID: session, Media: interaction.MediaEmail, Subtype: interaction.SubtypeOutbound,
			Content: hook.Content{Subject: "An order", Contact: []byte(`{"name":"Ada"}`), UserData: map[string]string{"colour": "grün\nblau"}},
		}
		elsewhere := now.Add(999 * time.Microsecond).In(time.FixedZone("elsewhere", 3_600)) // it is kept in UTC, to the millisecond
		created := change(t, s, elsewhere, hook.Change{Op: hook.OpCreate, ID: id, Draft: draft})
		want := &hook.Interaction{
			Serial: created.Serial, ContactCenter: theCenter, ID: id, SessionID: session, Media: interaction.MediaEmail,
			Subtype: interaction.SubtypeOutbound, State: hook.StateNew, Content: draft.Content, CreatedAt: now,
		}
		read, err := s.Interaction(t.Context(), theCenter, id)
		must(t, err)
		if diff := cmp.Diff([]*hook.Interaction{want, want}, []*hook.Interaction{created, read}); diff != "" {
			t.Errorf("created and read (-want +got):\n%s", diff)
		}
		if zone := created.CreatedAt.Location(); zone != time.UTC {
			t.Errorf("created in the zone %v", zone)
		}
		if got := events(t, s, theCenter); len(got) != 0 {
			t.Errorf("a NEW interaction emitted %d events", len(got))
		}

		submitted := change(t, s, now, create(newInteraction(), "support"))
		if submitted.State != hook.StateQueued || submitted.Queue != "support" || !submitted.SubmittedAt.Equal(now) || submitted.StartedEvent == 0 {
			t.Errorf("created with a queue: %+v", submitted)
		}
		if got := events(t, s, theCenter); len(got) != 1 || got[0].Kind != interaction.EventStarted || got[0].Serial != submitted.StartedEvent {
			t.Errorf("created with a queue emitted %+v", got)
		}
	})
}

// Guarantee 2 and I1: every change is judged by the state, stored, and emits what it emits, once.
func TestAcceptEveryChange(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		id := newInteraction()
		steps := []struct {
			change   hook.Change
			conflict string
			state    hook.State
			queue    string
			agent    string
			events   int
		}{
			{change: create(id, ""), state: hook.StateNew},
			{change: stop(id), conflict: "NEW", state: hook.StateNew},
			{change: accept(id, "a.smith"), conflict: "NEW", state: hook.StateNew},
			{change: back(id, "other"), conflict: "NEW", state: hook.StateNew},
			{change: submit(id, "support"), state: hook.StateQueued, queue: "support", events: 1},
			{change: submit(id, "support"), conflict: "QUEUED", state: hook.StateQueued, queue: "support", events: 1},
			{change: accept(id, "a.smith"), state: hook.StateInProcess, queue: "support", agent: "a.smith", events: 1},
			{change: back(id, ""), state: hook.StateQueued, queue: "support", events: 1},
			{change: accept(id, "b.jones"), state: hook.StateInProcess, queue: "support", agent: "b.jones", events: 1},
			{change: back(id, "other"), state: hook.StateQueued, queue: "other", events: 1},
			{change: accept(id, "c.brown"), state: hook.StateInProcess, queue: "other", agent: "c.brown", events: 1},
			{change: stop(id), state: hook.StateStopped, queue: "other", agent: "c.brown", events: 2},
			{change: stop(id), state: hook.StateStopped, queue: "other", agent: "c.brown", events: 2},
			{change: submit(id, "support"), conflict: "STOPPED", state: hook.StateStopped, queue: "other", agent: "c.brown", events: 2},
			{change: create(id, "support"), conflict: "STOPPED", state: hook.StateStopped, queue: "other", agent: "c.brown", events: 2},
		}
		for i, step := range steps {
			result := judge(t, s, now, step.change)[0]
			if step.conflict != "" {
				wantConflict(t, result.Err, step.conflict)
			} else if result.Err != nil {
				t.Fatalf("step %d, %s: %v", i, step.change.Op, result.Err)
			}
			read, err := s.Interaction(t.Context(), theCenter, id)
			must(t, err)
			if read.State != step.state || read.Queue != step.queue || read.Agent != step.agent {
				t.Errorf("step %d, %s: %s in %q with %q", i, step.change.Op, read.State, read.Queue, read.Agent)
			}
			if result.Err == nil {
				if diff := cmp.Diff(read, result.Interaction); diff != "" {
					t.Errorf("step %d: read and answered (-read +answered):\n%s", i, diff)
				}
			}
			if got := len(events(t, s, theCenter)); got != step.events {
				t.Errorf("step %d, %s: %d events, want %d", i, step.change.Op, got, step.events)
			}
		}
	})
}

// I1: a repeated stop answers with the first one's outcome and changes nothing.
func TestAcceptRepeatedStop(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		id := newInteraction()
		first := change(t, s, now, create(id, "support"), stop(id))
		again := change(t, s, now.AddDate(0, 0, 1), hook.Change{Op: hook.OpStop, ID: id, By: hook.ByWorkflow, Reason: "again"})
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("the repeated stop (-first +again):\n%s", diff)
		}
		want := hook.Stop{At: now, By: hook.ByAgentDesktop, Reason: "resolved", Event: first.Stopped.Event}
		if diff := cmp.Diff(want, again.Stopped); diff != "" || want.Event == 0 {
			t.Errorf("the stop (-want +got):\n%s", diff)
		}
	})
}

// Guarantee 2: in one batch each change is judged alone, those of one interaction in order.
func TestAcceptBatch(t *testing.T) {
	a, b, c := newInteraction(), newInteraction(), newInteraction()
	tests := []struct {
		name    string
		changes []hook.Change
		want    []string // a state, the state of a conflict, or "not found"
		events  []string
	}{
		{
			"success and failure side by side",
			[]hook.Change{create(a, "q"), stop(b), create(b, ""), stop(b), accept(a, "x"), submit(c, "q")},
			[]string{"QUEUED", "not found", "NEW", "conflict NEW", "IN_PROCESS", "not found"},
			[]string{"STARTED"},
		},
		{
			"a whole life at once",
			[]hook.Change{create(a, ""), submit(a, "q"), stop(a), stop(a)},
			[]string{"NEW", "QUEUED", "STOPPED", "STOPPED"},
			[]string{"STARTED", "FINISHED"},
		},
		{
			"two lives, interleaved",
			[]hook.Change{create(a, "q"), create(b, "q"), stop(b), stop(a)},
			[]string{"QUEUED", "QUEUED", "STOPPED", "STOPPED"},
			[]string{"STARTED", "STARTED", "FINISHED", "FINISHED"},
		},
		{
			"an id that is used in the same batch",
			[]hook.Change{create(a, "q"), create(a, "q"), accept(a, "x"), create(a, "")},
			[]string{"QUEUED", "conflict QUEUED", "IN_PROCESS", "conflict IN_PROCESS"},
			[]string{"STARTED"},
		},
		{
			"a create after changes that came too early",
			[]hook.Change{submit(a, "q"), stop(a), create(a, "q"), stop(a)},
			[]string{"not found", "not found", "QUEUED", "STOPPED"},
			[]string{"STARTED", "FINISHED"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, e storetest.Engine) {
				s := e.Open(t)
				w := webhook(t, s, theCenter)
				var got, emitted, delivered []string
				for _, r := range judge(t, s, moment(), tt.changes...) {
					got = append(got, verdict(r))
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("results (-want +got):\n%s", diff)
				}
				for _, e := range events(t, s, theCenter) {
					emitted = append(emitted, string(e.Kind))
				}
				for _, d := range deliveries(t, s, theCenter, store.DeliveryFilter{Webhook: w.ID}) {
					delivered = append(delivered, string(d.Event))
				}
				if diff := cmp.Diff([][]string{tt.events, tt.events}, [][]string{emitted, delivered}); diff != "" {
					t.Errorf("events and deliveries (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// verdict says what became of a change in a few words.
func verdict(r store.ChangeResult) string {
	conflict := new(hook.ConflictError)
	switch {
	case r.Err == nil:
		return r.Interaction.State.String()
	case asConflict(r.Err, &conflict):
		return "conflict " + conflict.State
	case isNotFound(r.Err):
		return "not found"
	default:
		return r.Err.Error()
	}
}

// Guarantee 2: an id that an earlier request used is a conflict that names the state, and the changes that follow it in
// the batch are about the interaction that has the id.
func TestAcceptUsedID(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		id := newInteraction()
		first := change(t, s, now, create(id, "first"))
		results := judge(t, s, now, create(id, "second"), accept(id, "x"), create(id, ""))
		want := []string{"conflict QUEUED", "IN_PROCESS", "conflict IN_PROCESS"}
		if diff := cmp.Diff(want, []string{verdict(results[0]), verdict(results[1]), verdict(results[2])}); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
		if got := results[1].Interaction; got.Serial != first.Serial || got.Queue != "first" || got.SessionID != first.SessionID {
			t.Errorf("the id names %+v, want %+v", got, first)
		}
		if got := len(events(t, s, theCenter)); got != 1 {
			t.Errorf("%d events, want the one of the first create", got)
		}
	})
}

// Guarantee 2: the deliveries are those of exactly the webhooks that want the event; a disabled webhook's are held, a
// deleted one and one of another contact centre get none.
func TestAcceptFansOut(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := e.Open(t)
		other := contactCenter(t, s, "other")
		filter := func(f func(*hook.Settings)) func(*hook.Webhook) {
			return func(w *hook.Webhook) { f(&w.Settings) }
		}
		all := []*hook.Webhook{
			webhook(t, s, theCenter),
			webhook(t, s, theCenter, filter(func(f *hook.Settings) { f.Events = []interaction.Event{interaction.EventFinished} })),
			webhook(t, s, theCenter, filter(func(f *hook.Settings) { f.MediaTypes = []interaction.MediaType{interaction.MediaEmail} })),
			webhook(t, s, theCenter, filter(func(f *hook.Settings) { f.Subtypes = []interaction.Subtype{interaction.SubtypeSMS} })),
			webhook(t, s, theCenter, disabled),
			webhook(t, s, theCenter), // deleted below
			webhook(t, s, other.Number),
		}
		must(t, s.DeleteWebhook(t.Context(), theCenter, all[5].ID, moment()))
		sms, mail := newInteraction(), newInteraction()
		smsDraft, mailDraft := create(sms, "q"), create(mail, "q")
		smsDraft.Draft.Subtype, mailDraft.Draft.Media = interaction.SubtypeSMS, interaction.MediaEmail
		change(t, s, moment(), smsDraft, mailDraft)
		change(t, s, moment(), stop(sms))
		wantStates(
			t, s, all,
			"STARTED to 0: pending, 0", "STARTED to 3: pending, 0", "STARTED to 4: held, 0", // the SMS
			"STARTED to 0: pending, 0", "STARTED to 2: pending, 0", "STARTED to 4: held, 0", // the e-mail
			"FINISHED to 0: waiting, 0", "FINISHED to 1: pending, 0", "FINISHED to 3: waiting, 0", "FINISHED to 4: waiting, 0",
		)
		if got := claim(t, s, moment(), all[4], 10); len(got) != 0 {
			t.Errorf("%d deliveries of a disabled webhook were claimed", len(got))
		}
		enabled, err := s.EnableWebhook(t.Context(), theCenter, all[4].ID, moment(), true, nil)
		must(t, err)
		if got := claim(t, s, moment(), enabled, 10); len(got) != 2 {
			t.Errorf("%d deliveries were claimed once the webhook was enabled, want 2", len(got))
		}
	})
}

// Guarantee 5 and I5: payload and operation id are made once; every claim, list and replay has the same bytes, and they
// say what the wire contract says.
func TestAcceptFixesPayload(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		i := change(t, s, now, create(newInteraction(), "q"))
		made := events(t, s, theCenter)[0]
		want := `{"operationId":"` + made.OperationID.String() + `","data":{"entities":[{"event":"STARTED","entity":{"id":"` + i.ID.String() +
			`","mediaType":"chat","interactionSubtype":"InboundNew","selfUri":"` + storetest.PublicURL + `/nexus/v3/chat/sessions/` +
			i.SessionID.String() + `/` + i.ID.String() + `"}}]}}`
		if string(made.Payload) != want {
			t.Fatalf("payload is %s\nwant %s", made.Payload, want)
		}
		later := now
		check := func(when string) {
			d := claimOne(t, s, later, w)
			if diff := cmp.Diff(made, d.Event); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
			later = later.Add(store.LeaseDefault)
		}
		check("at the first claim")
		check("after a lost lease")
		d := claimOne(t, s, later, w)
		record(t, s, later, fails(d, later, later))
		check("at a retry")
		s.Reopen(t)
		later = later.Add(store.LeaseMax)
		record(t, s, later, exhausts(claimOne(t, s, later, w), later))
		replay(t, s, later, d.ID())
		check("after a restart and a replay")
		if diff := cmp.Diff([]*hook.Event{made}, events(t, s, theCenter)); diff != "" {
			t.Errorf("the event itself (-want +got):\n%s", diff)
		}
	})
}

// Guarantee 2: events are announced once they can be read.
func TestAcceptAnnounces(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := e.Open(t)
		watch, other := s.WatchEvents(theCenter), s.WatchEvents(contactCenter(t, s, "other").Number)
		defer watch.Close()
		defer other.Close()
		arrived, elsewhere := watch.Arrived(), other.Arrived()
		change(t, s, moment(), create(newInteraction(), ""))
		select {
		case <-arrived:
			t.Error("a change without an event was announced")
		default:
		}
		change(t, s, moment(), create(newInteraction(), "q"))
		<-arrived
		select {
		case <-elsewhere:
			t.Error("it was announced to another contact centre")
		default:
		}
	})
}

// Guarantee 2: a batch of the largest size is one transaction, in which every result stands at its change's place.
func TestAcceptLargestBatch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := e.Open(t)
		var changes []hook.Change
		for len(changes) < hook.ChangesMax {
			changes = append(changes, create(newInteraction(), "q"))
		}
		results := judge(t, s, moment(), changes...)
		for i := range changes {
			if r := results[i]; r.Err != nil || r.Interaction.ID != changes[i].ID {
				t.Fatalf("result %d: %+v", i, r)
			}
		}
		serials := make([]hook.Serial, 0, len(changes))
		for _, e := range events(t, s, theCenter) {
			serials = append(serials, e.Serial)
		}
		if len(serials) != hook.ChangesMax || !slices.IsSorted(serials) {
			t.Errorf("%d events, sorted: %v", len(serials), slices.IsSorted(serials))
		}
	})
}
