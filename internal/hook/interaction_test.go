package hook_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

const sessionText = "49a0ed5c-77b8-4091-a0c2-1d904ff709b0"

// noon is an instant to start from.
func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func validDraft(t testing.TB) *hook.Draft {
	t.Helper()
	return &hook.Draft{
		ID: hook.InteractionID{UUID: mustUUID(t, uuidText)}, SessionID: hook.SessionID{UUID: mustUUID(t, sessionText)},
		Media: interaction.MediaChat, Subtype: interaction.SubtypeInboundNew, Queue: "support",
		Content: hook.Content{
			Subject: "A question", Contact: json.RawMessage(`{"name":"Ada"}`), UserData: map[string]string{"colour": "green"},
		},
	}
}

// inState makes an interaction that came into a state as interactions do.
func inState(t testing.TB, state hook.State) *hook.Interaction {
	t.Helper()
	i := hook.Create(7, 1, noon(), validDraft(t))
	var steps []hook.Change
	switch state {
	case hook.StateNew:
	case hook.StateQueued:
		steps = []hook.Change{{Op: hook.OpSubmit, Queue: "support"}}
	case hook.StateInProcess:
		steps = []hook.Change{{Op: hook.OpSubmit, Queue: "support"}, {Op: hook.OpAccept, Agent: "a.smith"}}
	case hook.StateStopped:
		steps = []hook.Change{{Op: hook.OpSubmit, Queue: "support"}, {Op: hook.OpStop, By: hook.ByWorkflow, Reason: "first"}}
	default: // one that no change leads to
		i.State = state
	}
	for n, ch := range steps {
		if _, _, err := ch.Apply(i, noon().Add(time.Duration(n+1)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if i.State != state {
		t.Fatalf("the state is %v, want %v", i.State, state)
	}
	return i
}

// A transition is what one change does in one state: it is a conflict unless next is set.
type transition struct {
	next    hook.State
	emits   interaction.Event
	changed bool
}

func refuse() transition               { return transition{} }
func silently(s hook.State) transition { return transition{next: s, changed: true} }
func nothing(s hook.State) transition  { return transition{next: s} }
func (tr transition) isConflict() bool { return tr.next == 0 }
func states() []hook.State             { return []hook.State{1, 2, 3, 4} }
func emits(s hook.State, e interaction.Event) transition {
	return transition{next: s, emits: e, changed: true}
}

// transitions is specification section 2, written down independently of the package: every change in every state.
func transitions() map[hook.State]map[hook.Op]transition {
	const isNew, queued, inProcess, stopped = hook.StateNew, hook.StateQueued, hook.StateInProcess, hook.StateStopped
	return map[hook.State]map[hook.Op]transition{
		isNew: {
			hook.OpCreate: refuse(), hook.OpSubmit: emits(queued, "STARTED"), hook.OpAccept: refuse(),
			hook.OpReturn: refuse(), hook.OpStop: refuse(),
		},
		queued: {
			hook.OpCreate: refuse(), hook.OpSubmit: refuse(), hook.OpAccept: silently(inProcess),
			hook.OpReturn: refuse(), hook.OpStop: emits(stopped, "FINISHED"),
		},
		inProcess: {
			hook.OpCreate: refuse(), hook.OpSubmit: refuse(), hook.OpAccept: refuse(),
			hook.OpReturn: silently(queued), hook.OpStop: emits(stopped, "FINISHED"),
		},
		stopped: {
			hook.OpCreate: refuse(), hook.OpSubmit: refuse(), hook.OpAccept: refuse(),
			hook.OpReturn: refuse(), hook.OpStop: nothing(stopped),
		},
	}
}

func changeOf(op hook.Op) hook.Change {
	switch op {
	case hook.OpSubmit:
		return hook.Change{Op: op, Queue: "sales"}
	case hook.OpAccept:
		return hook.Change{Op: op, Agent: "b.jones"}
	case hook.OpReturn:
		return hook.Change{Op: op, Queue: "complaints"}
	case hook.OpStop:
		return hook.Change{Op: op, By: hook.ByAgentDesktop, Reason: "resolved"}
	default:
		return hook.Change{Op: op}
	}
}

func TestEveryChangeInEveryState(t *testing.T) {
	table := transitions()
	for _, state := range states() {
		for _, op := range hook.Ops() {
			want, ok := table[state][op]
			if !ok {
				t.Fatalf("the table has no row for %s in %v", op, state)
			}
			t.Run(fmt.Sprintf("%s in %v", op, state), func(t *testing.T) {
				i := inState(t, state)
				before, now := *i, noon().Add(time.Hour)
				ch := changeOf(op)
				emitted, changed, err := ch.Apply(i, now)
				if want.isConflict() {
					wantConflict(t, err, string(op), state.String())
					want.next = state
				} else if err != nil {
					t.Fatal(err)
				}
				if emitted != want.emits || changed != want.changed || i.State != want.next {
					t.Errorf("got event %q, changed %v, state %v; want %+v", emitted, changed, i.State, want)
				}
				expect := before
				if changed {
					expect.State = want.next
					switch op {
					case hook.OpSubmit:
						expect.Queue, expect.SubmittedAt = "sales", now
					case hook.OpAccept:
						expect.Agent, expect.AcceptedAt = "b.jones", now
					case hook.OpReturn:
						expect.Queue, expect.Agent, expect.AcceptedAt = "complaints", "", time.Time{}
					case hook.OpStop:
						expect.Stopped = hook.Stop{At: now, By: hook.ByAgentDesktop, Reason: "resolved"}
					default:
						t.Errorf("%s changed an interaction that exists", op)
					}
				}
				if diff := cmp.Diff(expect, *i); diff != "" {
					t.Errorf("the interaction (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// A state that no release of ours ever stored is a conflict for every change, not a panic and not a transition.
func TestChangesInUnknownState(t *testing.T) {
	for _, state := range []hook.State{0, 5, 255} {
		for _, op := range hook.Ops() {
			i := inState(t, state)
			ch := changeOf(op)
			emitted, changed, err := ch.Apply(i, noon())
			wantConflict(t, err, string(op), fmt.Sprintf("State(%d)", state))
			if emitted != "" || changed || i.State != state {
				t.Errorf("%s in %v: event %q, changed %v, state %v", op, state, emitted, changed, i.State)
			}
		}
	}
}

// anyChange generates valid changes of an existing interaction, and creates.
func anyChange() *rapid.Generator[hook.Change] {
	return rapid.Custom(func(t *rapid.T) hook.Change {
		name := rapid.StringMatching(`[a-z]{1,8}`)
		ch := hook.Change{Op: rapid.SampledFrom(hook.Ops()).Draw(t, "op")}
		switch ch.Op {
		case hook.OpSubmit:
			ch.Queue = name.Draw(t, "queue")
		case hook.OpAccept:
			ch.Agent = name.Draw(t, "agent")
		case hook.OpReturn:
			ch.Queue = rapid.OneOf(rapid.Just(""), name).Draw(t, "queue")
		case hook.OpStop:
			ch.By = rapid.SampledFrom(hook.Stoppers()).Draw(t, "by")
			ch.Reason = rapid.OneOf(rapid.Just(""), name).Draw(t, "reason")
		default: // a create has no fields that matter to an interaction that exists
		}
		return ch
	})
}

// model is what an observer with the table of transitions expects of an interaction; it shares no code with it.
type model struct {
	state        hook.State
	queue, agent string
	submittedAt  time.Time
	acceptedAt   time.Time
	stopped      hook.Stop
	events       []interaction.Event
}

func (m *model) apply(ch *hook.Change, now time.Time) transition {
	tr := transitions()[m.state][ch.Op]
	if tr.isConflict() || !tr.changed {
		return tr
	}
	m.state = tr.next
	switch ch.Op {
	case hook.OpSubmit:
		m.queue, m.submittedAt = ch.Queue, now
	case hook.OpAccept:
		m.agent, m.acceptedAt = ch.Agent, now
	case hook.OpReturn:
		m.agent, m.acceptedAt = "", time.Time{}
		if ch.Queue != "" {
			m.queue = ch.Queue
		}
	case hook.OpStop:
		m.stopped = hook.Stop{At: now, By: ch.By, Reason: ch.Reason}
	default: // the table lets nothing else change anything
	}
	if tr.emits != "" {
		m.events = append(m.events, tr.emits)
	}
	return tr
}

func TestInteractionFollowsTheModel(t *testing.T) {
	draft := validDraft(t)
	rapid.Check(t, func(t *rapid.T) {
		now := noon()
		i := hook.Create(7, 1, now, draft)
		created := *i
		m := model{state: hook.StateNew}
		var events []interaction.Event
		for _, ch := range rapid.SliceOfN(anyChange(), 0, 30).Draw(t, "changes") {
			now = now.Add(time.Duration(rapid.IntRange(0, 10_000).Draw(t, "later")) * time.Millisecond)
			if err := ch.Validate(""); err != nil && ch.Op != hook.OpCreate {
				t.Fatalf("%+v is not valid: %v", ch, err)
			}
			before := *i
			want := m.apply(&ch, now)
			emitted, changed, err := ch.Apply(i, now)
			if emitted != "" {
				events = append(events, emitted)
			}
			switch {
			case want.isConflict():
				wantConflict(t, err, string(ch.Op), before.State.String())
			case err != nil:
				t.Fatalf("%+v in %v: %v", ch, before.State, err)
			}
			if emitted != want.emits || changed != want.changed {
				t.Fatalf("%+v in %v: event %q, changed %v; want %+v", ch, before.State, emitted, changed, want)
			}
			if !changed {
				if diff := cmp.Diff(before, *i); diff != "" {
					t.Fatalf("%+v changed nothing, and did (-want +got):\n%s", ch, diff)
				}
			}
			expect := created
			expect.State, expect.Queue, expect.Agent, expect.SubmittedAt, expect.Stopped = m.state, m.queue, m.agent, m.submittedAt, m.stopped
			expect.AcceptedAt = m.acceptedAt
			if diff := cmp.Diff(expect, *i); diff != "" {
				t.Fatalf("after %+v (-model +interaction):\n%s", ch, diff)
			}
		}
		if !slices.Equal(events, m.events) {
			t.Fatalf("got events %v, want %v", events, m.events)
		}
	})
}

// Every sequence of a given length is tried, so that "exactly once" has no exception that chance did not find.
func TestStartedAndFinishedExactlyOnce(t *testing.T) {
	const length = 6
	draft, now, ends := validDraft(t), noon(), map[string]int{}
	ops := hook.Ops()
	sequence := make([]hook.Op, length)
	var try func(at int)
	try = func(at int) {
		if at < length {
			for _, op := range ops {
				sequence[at] = op
				try(at + 1)
			}
			return
		}
		i := hook.Create(7, 1, now, draft)
		var events []string
		for _, op := range sequence {
			ch := changeOf(op)
			if emitted, _, err := ch.Apply(i, now); emitted != "" {
				if err != nil {
					t.Fatalf("%v: event %q beside %v", sequence, emitted, err)
				}
				events = append(events, string(emitted))
			}
		}
		all := strings.Join(events, " ")
		ends[i.State.String()+" "+all]++
		want := map[hook.State]string{
			hook.StateNew: "", hook.StateQueued: "STARTED", hook.StateInProcess: "STARTED", hook.StateStopped: "STARTED FINISHED",
		}
		if all != want[i.State] {
			t.Fatalf("%v: %v after events %q", sequence, i.State, all)
		}
	}
	try(0)
	want := []string{"IN_PROCESS STARTED", "NEW ", "QUEUED STARTED", "STOPPED STARTED FINISHED"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(ends))); diff != "" {
		t.Errorf("how sequences end (-want +got):\n%s", diff)
	}
}

func TestRepeatedStopKeepsTheFirstOutcome(t *testing.T) {
	i := inState(t, hook.StateQueued)
	first := noon().Add(time.Minute)
	if changed, err := i.Stop(hook.ByAgentDesktop, "resolved", first); !changed || err != nil {
		t.Fatalf("first stop: %v, %v", changed, err)
	}
	for range 3 {
		if changed, err := i.Stop(hook.ByWorkflow, "again", first.Add(time.Hour)); changed || err != nil {
			t.Fatalf("repeated stop: %v, %v", changed, err)
		}
	}
	if diff := cmp.Diff(hook.Stop{At: first, By: hook.ByAgentDesktop, Reason: "resolved"}, i.Stopped); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
}

func TestReturnKeepsOrTransfersTheQueue(t *testing.T) {
	for queue, want := range map[string]string{"": "support", "other": "other"} {
		i := inState(t, hook.StateInProcess)
		if err := i.Return(queue); err != nil {
			t.Fatal(err)
		}
		if i.Queue != want || i.Agent != "" || i.State != hook.StateQueued {
			t.Errorf("return to %q: queue %q, agent %q, state %v", queue, i.Queue, i.Agent, i.State)
		}
	}
}

func TestCreate(t *testing.T) {
	d := validDraft(t)
	want := &hook.Interaction{
		Serial: 3, ContactCenter: 7, ID: d.ID, SessionID: d.SessionID, Media: d.Media, Subtype: d.Subtype,
		State: hook.StateNew, Content: d.Content, CreatedAt: noon(),
	}
	if diff := cmp.Diff(want, hook.Create(7, 3, noon(), d)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStateNames(t *testing.T) {
	for state, name := range map[hook.State]string{1: "NEW", 2: "QUEUED", 3: "IN_PROCESS", 4: "STOPPED"} {
		if got := state.String(); got != name {
			t.Errorf("got %q, want %q", got, name)
		}
		if got, ok := hook.ParseState(name); !ok || got != state {
			t.Errorf("parse %q: %v, %v", name, got, ok)
		}
	}
	for _, name := range []string{"", "new", "NEW ", "open", "State(0)", "State(5)"} {
		if got, ok := hook.ParseState(name); ok || got != 0 {
			t.Errorf("parse %q: %v, %v", name, got, ok)
		}
	}
}

func TestSelfURI(t *testing.T) {
	for media, want := range map[interaction.MediaType]string{
		interaction.MediaChat:  "https://cc.example/base/nexus/v3/chat/sessions/" + sessionText + "/" + uuidText,
		interaction.MediaEmail: "https://cc.example/base/nexus/v3/securemail/" + sessionText + "/" + uuidText,
	} {
		i := inState(t, hook.StateNew)
		i.Media = media
		if got := i.SelfURI("https://cc.example/base"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestContentIsZero(t *testing.T) {
	for name, test := range map[string]struct {
		content hook.Content
		want    bool
	}{
		"nothing":        {hook.Content{}, true},
		"empty, not nil": {hook.Content{Contact: json.RawMessage{}, UserData: map[string]string{}}, true},
		"a subject":      {hook.Content{Subject: "s"}, false},
		"a contact":      {hook.Content{Contact: json.RawMessage(`{}`)}, false},
		"user data":      {hook.Content{UserData: map[string]string{"k": ""}}, false},
	} {
		if got := test.content.IsZero(); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// entries makes user data of n entries, each of the given size of key and value together.
func entries(n, keyBytes, valueBytes int) map[string]string {
	data := make(map[string]string, n)
	for i := range n {
		data[fmt.Sprintf("%0*d", keyBytes, i)] = strings.Repeat("v", valueBytes)
	}
	return data
}

// object makes a JSON object of exactly n bytes.
func object(n int) json.RawMessage {
	return json.RawMessage(`{"k":"` + strings.Repeat("v", n-len(`{"k":""}`)) + `"}`)
}

func TestI7DraftBounds(t *testing.T) {
	text := func(n int) string { return strings.Repeat("q", n) }
	for name, test := range map[string]struct {
		change func(*hook.Draft)
		want   []string
	}{
		"valid":                        {func(*hook.Draft) {}, nil},
		"e-mail":                       {func(d *hook.Draft) { d.Media = "email" }, nil},
		"no content, no queue":         {func(d *hook.Draft) { d.Queue, d.Content = "", hook.Content{} }, nil},
		"no media type":                {func(d *hook.Draft) { d.Media = "" }, []string{"mediaType"}},
		"another media type":           {func(d *hook.Draft) { d.Media = "voice" }, []string{"mediaType"}},
		"no subtype":                   {func(d *hook.Draft) { d.Subtype = "" }, []string{"subtype"}},
		"a subtype in lower case":      {func(d *hook.Draft) { d.Subtype = "inboundnew" }, []string{"subtype"}},
		"nil id":                       {func(d *hook.Draft) { d.ID = hook.InteractionID{} }, []string{"id"}},
		"nil session":                  {func(d *hook.Draft) { d.SessionID = hook.SessionID{} }, []string{"sessionId"}},
		"queue of blanks":              {func(d *hook.Draft) { d.Queue = "  " }, []string{"queue"}},
		"queue just inside":            {func(d *hook.Draft) { d.Queue = text(hook.QueueBytesMax - 1) }, nil},
		"queue at the bound":           {func(d *hook.Draft) { d.Queue = text(hook.QueueBytesMax) }, nil},
		"queue too long":               {func(d *hook.Draft) { d.Queue = text(hook.QueueBytesMax + 1) }, []string{"queue"}},
		"queue too long in bytes":      {func(d *hook.Draft) { d.Queue = strings.Repeat("é", hook.QueueBytesMax/2) + "q" }, []string{"queue"}},
		"queue of two lines":           {func(d *hook.Draft) { d.Queue = "a\nb" }, []string{"queue"}},
		"subject just inside":          {func(d *hook.Draft) { d.Content.Subject = text(hook.SubjectBytesMax - 1) }, nil},
		"subject at the bound":         {func(d *hook.Draft) { d.Content.Subject = text(hook.SubjectBytesMax) }, nil},
		"subject too long":             {func(d *hook.Draft) { d.Content.Subject = text(hook.SubjectBytesMax + 1) }, []string{"subject"}},
		"subject not UTF-8":            {func(d *hook.Draft) { d.Content.Subject = "caf\xe9" }, []string{"subject"}},
		"contact just inside":          {func(d *hook.Draft) { d.Content.Contact = object(hook.ContactBytesMax - 1) }, nil},
		"contact at the bound":         {func(d *hook.Draft) { d.Content.Contact = object(hook.ContactBytesMax) }, nil},
		"contact too long":             {func(d *hook.Draft) { d.Content.Contact = object(hook.ContactBytesMax + 1) }, []string{"contact"}},
		"contact with space around":    {func(d *hook.Draft) { d.Content.Contact = json.RawMessage(" {} \n") }, nil},
		"contact empty":                {func(d *hook.Draft) { d.Content.Contact = json.RawMessage("") }, nil},
		"contact null":                 {func(d *hook.Draft) { d.Content.Contact = json.RawMessage("null") }, []string{"contact"}},
		"contact a list":               {func(d *hook.Draft) { d.Content.Contact = json.RawMessage("[{}]") }, []string{"contact"}},
		"contact broken":               {func(d *hook.Draft) { d.Content.Contact = json.RawMessage(`{"a":}`) }, []string{"contact"}},
		"contact only space":           {func(d *hook.Draft) { d.Content.Contact = json.RawMessage("  ") }, []string{"contact"}},
		"contact not UTF-8":            {func(d *hook.Draft) { d.Content.Contact = json.RawMessage("{\"a\":\"\xff\"}") }, []string{"contact"}},
		"entries just inside":          {func(d *hook.Draft) { d.Content.UserData = entries(hook.UserDataEntriesMax-1, 3, 3) }, nil},
		"entries at the bound":         {func(d *hook.Draft) { d.Content.UserData = entries(hook.UserDataEntriesMax, 3, 3) }, nil},
		"too many entries":             {func(d *hook.Draft) { d.Content.UserData = entries(hook.UserDataEntriesMax+1, 3, 3) }, []string{"userData"}},
		"key just inside":              {func(d *hook.Draft) { d.Content.UserData = entries(1, hook.UserDataKeyBytesMax-1, 1) }, nil},
		"key at the bound":             {func(d *hook.Draft) { d.Content.UserData = entries(1, hook.UserDataKeyBytesMax, 1) }, nil},
		"key too long":                 {func(d *hook.Draft) { d.Content.UserData = entries(1, hook.UserDataKeyBytesMax+1, 1) }, []string{"userData." + strings.Repeat("0", 64) + "…"}},
		"key empty":                    {func(d *hook.Draft) { d.Content.UserData = map[string]string{"": "v"} }, []string{"userData."}},
		"key of two lines":             {func(d *hook.Draft) { d.Content.UserData = map[string]string{"a\nb": "v"} }, []string{"userData.a\nb"}},
		"value empty":                  {func(d *hook.Draft) { d.Content.UserData = map[string]string{"k": ""} }, nil},
		"value of many lines":          {func(d *hook.Draft) { d.Content.UserData = map[string]string{"k": "a\r\n\tb\n"} }, nil},
		"value just inside":            {func(d *hook.Draft) { d.Content.UserData = entries(1, 1, hook.UserDataValueBytesMax-1) }, nil},
		"value at the bound":           {func(d *hook.Draft) { d.Content.UserData = entries(1, 1, hook.UserDataValueBytesMax) }, nil},
		"value too long":               {func(d *hook.Draft) { d.Content.UserData = entries(1, 1, hook.UserDataValueBytesMax+1) }, []string{"userData.0"}},
		"value not UTF-8":              {func(d *hook.Draft) { d.Content.UserData = map[string]string{"k": "\xc3"} }, []string{"userData.k"}},
		"value with NUL":               {func(d *hook.Draft) { d.Content.UserData = map[string]string{"k": "a\x00b"} }, []string{"userData.k"}},
		"all values just inside":       {func(d *hook.Draft) { d.Content.UserData = userData(hook.UserDataBytesMax - 1) }, nil},
		"all values at the bound":      {func(d *hook.Draft) { d.Content.UserData = userData(hook.UserDataBytesMax) }, nil},
		"all values too long together": {func(d *hook.Draft) { d.Content.UserData = userData(hook.UserDataBytesMax + 1) }, []string{"userData"}},
		"two wrong entries, sorted": {
			func(d *hook.Draft) { d.Content.UserData = map[string]string{"b": "\x00", "a": "\xff", "c": "fine"} },
			[]string{"userData.a", "userData.b"},
		},
		"everything": {
			func(d *hook.Draft) {
				*d = hook.Draft{Queue: "\x00", Content: hook.Content{
					Subject: "\x7f", Contact: json.RawMessage("1"), UserData: map[string]string{"": strings.Repeat("v", 4_097)},
				}}
			},
			[]string{"mediaType", "subtype", "id", "sessionId", "queue", "subject", "contact", "userData.", "userData."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := validDraft(t)
			test.change(d)
			checkFields(t, d.Validate(""), test.want...)
			var prefixed []string
			for _, field := range test.want {
				prefixed = append(prefixed, "body.changes[3]."+field)
			}
			checkFields(t, d.Validate("body.changes[3]."), prefixed...)
		})
	}
}

// userData makes user data of exactly n bytes, keys and values together, each of them within its own bounds.
func userData(n int) map[string]string {
	data := map[string]string{}
	for i := 0; n > 0; i++ {
		key := fmt.Sprintf("%02d", i)
		size := min(n-len(key), 4_000)
		data[key] = strings.Repeat("v", size)
		n -= len(key) + size
	}
	return data
}
