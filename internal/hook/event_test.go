package hook_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// specExample is the body of specification, section 1, without its line breaks.
const specExample = `{"operationId":"f6c49d91-926b-4473-b2f3-8d8fd295c968",` +
	`"data":{"entities":[{"event":"STARTED","entity":{` +
	`"id":"8e09e19f-b8ba-4db0-b6e7-dfc8a7776176","mediaType":"chat","interactionSubtype":"InboundNew",` +
	`"selfUri":"https://hookswitch.example/nexus/v3/chat/sessions/49a0ed5c-77b8-4091-a0c2-1d904ff709b0/8e09e19f-b8ba-4db0-b6e7-dfc8a7776176"}}]}}`

func specOperation(t testing.TB) hook.OperationID {
	t.Helper()
	return hook.OperationID{UUID: mustUUID(t, "f6c49d91-926b-4473-b2f3-8d8fd295c968")}
}

func TestPayloadIsTheSpecificationsExample(t *testing.T) {
	i := inState(t, hook.StateQueued)
	e := hook.NewEvent(interaction.EventStarted, i, "bank", 99, specOperation(t), noon(), "https://hookswitch.example")
	want := &hook.Event{
		Serial: 99, ContactCenter: 7, CenterID: "bank", Kind: "STARTED", Interaction: 1, InteractionID: i.ID,
		Media: "chat", Subtype: "InboundNew", OperationID: specOperation(t), OccurredAt: noon(), Payload: []byte(specExample),
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !bytes.Equal(e.Payload, []byte(specExample)) {
		t.Errorf("got  %s\nwant %s", e.Payload, specExample)
	}
}

func TestPayloadOfFinishedEmail(t *testing.T) {
	i := inState(t, hook.StateStopped)
	i.Media, i.Subtype = interaction.MediaEmail, interaction.SubtypeOutbound
	e := hook.NewEvent(interaction.EventFinished, i, "bank", 99, specOperation(t), noon(), "http://127.0.0.1:8480")
	want := `{"operationId":"f6c49d91-926b-4473-b2f3-8d8fd295c968","data":{"entities":[{"event":"FINISHED","entity":{` +
		`"id":"8e09e19f-b8ba-4db0-b6e7-dfc8a7776176","mediaType":"email","interactionSubtype":"Outbound",` +
		`"selfUri":"http://127.0.0.1:8480/nexus/v3/securemail/49a0ed5c-77b8-4091-a0c2-1d904ff709b0/8e09e19f-b8ba-4db0-b6e7-dfc8a7776176"}}]}}`
	if string(e.Payload) != want {
		t.Errorf("got  %s\nwant %s", e.Payload, want)
	}
}

// anyInteraction generates interactions as a store reads them, in any state.
func anyInteraction() *rapid.Generator[*hook.Interaction] {
	return rapid.Custom(func(t *rapid.T) *hook.Interaction {
		return &hook.Interaction{
			Serial: hook.Serial(rapid.Int64Range(1, 1<<62).Draw(t, "serial")), ContactCenter: 7,
			ID:        hook.InteractionID{UUID: anyUUID().Draw(t, "id")},
			SessionID: hook.SessionID{UUID: anyUUID().Draw(t, "session")},
			Media:     rapid.SampledFrom(interaction.MediaTypes()).Draw(t, "media"),
			Subtype:   rapid.SampledFrom(interaction.Subtypes()).Draw(t, "subtype"),
			State:     rapid.SampledFrom(states()).Draw(t, "state"),
			Queue:     rapid.String().Draw(t, "queue"), Agent: rapid.String().Draw(t, "agent"),
			Content: hook.Content{Subject: rapid.String().Draw(t, "subject")},
		}
	})
}

func TestI5TheSameBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := anyInteraction().Draw(t, "interaction")
		kind := rapid.SampledFrom(interaction.Events()).Draw(t, "kind")
		op := hook.OperationID{UUID: anyUUID().Draw(t, "operation")}
		const public = "https://cc.example/base"
		e := hook.NewEvent(kind, i, "bank", 99, op, noon(), public)

		parsed, err := interaction.Parse(e.Payload)
		if err != nil {
			t.Fatalf("%s: %v", e.Payload, err)
		}
		want := interaction.Payload{OperationID: op.String(), Entities: []interaction.EntityEvent{{Event: kind, Entity: interaction.Entity{
			ID: i.ID.String(), MediaType: i.Media, Subtype: i.Subtype, SelfURI: i.SelfURI(public),
		}}}}
		if diff := cmp.Diff(want, parsed); diff != "" {
			t.Fatalf("the payload says something else (-want +got):\n%s", diff)
		}

		// Nothing but what the contract names decides the bytes: neither when, nor where it is stored, nor what state it is in.
		other := *i
		other.Serial, other.ContactCenter, other.State, other.Queue, other.Agent = 1, 2, hook.StateStopped, "elsewhere", "somebody"
		other.Content = hook.Content{Subject: "secret", UserData: map[string]string{"k": "v"}}
		if again := hook.NewEvent(kind, &other, "other", 100, op, noon().Add(time.Hour), public); !bytes.Equal(e.Payload, again.Payload) {
			t.Fatalf("one event, two payloads:\n%s\n%s", e.Payload, again.Payload)
		}

		// What happens to the interaction afterwards does not reach the event.
		before := *e
		before.Payload = bytes.Clone(e.Payload)
		*i = hook.Interaction{State: hook.StateStopped, Media: interaction.MediaEmail}
		if diff := cmp.Diff(&before, e); diff != "" {
			t.Fatalf("the event changed with its interaction (-want +got):\n%s", diff)
		}
	})
}

// I6: an event has one operation id, and it differs wherever the interaction or the kind does.
func TestI6OperationIDIsTheEventsOwn(t *testing.T) {
	i := inState(t, hook.StateQueued)
	started := hook.NewEvent(interaction.EventStarted, i, "bank", 99, specOperation(t), noon(), "https://cc.example")
	other := hook.OperationID{UUID: hook.V4([16]byte{1})}
	finished := hook.NewEvent(interaction.EventFinished, i, "bank", 100, other, noon(), "https://cc.example")
	if started.OperationID != specOperation(t) || finished.OperationID != other || started.InteractionID != finished.InteractionID {
		t.Errorf("got %v and %v of %v and %v", started.OperationID, finished.OperationID, started.InteractionID, finished.InteractionID)
	}
	for e, op := range map[*hook.Event]string{started: specOperation(t).String(), finished: other.String()} {
		if !bytes.HasPrefix(e.Payload, []byte(`{"operationId":"`+op+`",`)) {
			t.Errorf("the payload does not begin with its operation id %s: %s", op, e.Payload)
		}
	}
}
