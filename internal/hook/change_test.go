package hook_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
)

func TestOps(t *testing.T) {
	if diff := cmp.Diff([]hook.Op{"create", "submit", "accept", "return", "stop"}, hook.Ops()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]hook.Stopper{"agentDesktop", "workflow"}, hook.Stoppers()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestI7ChangeBounds(t *testing.T) {
	text := func(n int) string { return strings.Repeat("q", n) }
	wrongDraft := validDraft(t)
	wrongDraft.Media, wrongDraft.Queue = "voice", text(hook.QueueBytesMax+1)
	for name, test := range map[string]struct {
		change hook.Change
		want   []string
	}{
		"create":                   {hook.Change{Op: hook.OpCreate, Draft: validDraft(t)}, nil},
		"create of a wrong draft":  {hook.Change{Op: hook.OpCreate, Draft: wrongDraft}, []string{"mediaType", "queue"}},
		"create without a draft":   {hook.Change{Op: hook.OpCreate}, []string{"mediaType", "subtype", "id", "sessionId"}},
		"submit":                   {hook.Change{Op: hook.OpSubmit, Queue: "q"}, nil},
		"submit just inside":       {hook.Change{Op: hook.OpSubmit, Queue: text(hook.QueueBytesMax - 1)}, nil},
		"submit at the bound":      {hook.Change{Op: hook.OpSubmit, Queue: text(hook.QueueBytesMax)}, nil},
		"submit too long":          {hook.Change{Op: hook.OpSubmit, Queue: text(hook.QueueBytesMax + 1)}, []string{"queue"}},
		"submit without a queue":   {hook.Change{Op: hook.OpSubmit}, []string{"queue"}},
		"submit into blanks":       {hook.Change{Op: hook.OpSubmit, Queue: " \u2003"}, []string{"queue"}},
		"submit, blanks around":    {hook.Change{Op: hook.OpSubmit, Queue: " q "}, nil},
		"return into blanks":       {hook.Change{Op: hook.OpReturn, Queue: " "}, []string{"queue"}},
		"accept":                   {hook.Change{Op: hook.OpAccept, Agent: "a.smith"}, nil},
		"accept just inside":       {hook.Change{Op: hook.OpAccept, Agent: text(hook.AgentBytesMax - 1)}, nil},
		"accept at the bound":      {hook.Change{Op: hook.OpAccept, Agent: text(hook.AgentBytesMax)}, nil},
		"accept too long":          {hook.Change{Op: hook.OpAccept, Agent: text(hook.AgentBytesMax + 1)}, []string{"agent"}},
		"accept without an agent":  {hook.Change{Op: hook.OpAccept}, []string{"agent"}},
		"return":                   {hook.Change{Op: hook.OpReturn}, nil},
		"return just inside":       {hook.Change{Op: hook.OpReturn, Queue: text(hook.QueueBytesMax - 1)}, nil},
		"transfer at the bound":    {hook.Change{Op: hook.OpReturn, Queue: text(hook.QueueBytesMax)}, nil},
		"transfer too long":        {hook.Change{Op: hook.OpReturn, Queue: text(hook.QueueBytesMax + 1)}, []string{"queue"}},
		"stop by an agent":         {hook.Change{Op: hook.OpStop, By: hook.ByAgentDesktop}, nil},
		"stop by a workflow":       {hook.Change{Op: hook.OpStop, By: hook.ByWorkflow, Reason: "timeout"}, nil},
		"stop by nobody":           {hook.Change{Op: hook.OpStop}, []string{"by"}},
		"stop by somebody else":    {hook.Change{Op: hook.OpStop, By: "AgentDesktop"}, []string{"by"}},
		"reason just inside":       {hook.Change{Op: hook.OpStop, By: hook.ByWorkflow, Reason: text(hook.ReasonBytesMax - 1)}, nil},
		"reason at the bound":      {hook.Change{Op: hook.OpStop, By: hook.ByWorkflow, Reason: text(hook.ReasonBytesMax)}, nil},
		"reason too long":          {hook.Change{Op: hook.OpStop, By: hook.ByWorkflow, Reason: text(hook.ReasonBytesMax + 1)}, []string{"reason"}},
		"stop with all wrong":      {hook.Change{Op: hook.OpStop, By: "x", Reason: "\n"}, []string{"by", "reason"}},
		"fields of other changes":  {hook.Change{Op: hook.OpAccept, Agent: "a", Queue: "\n", By: "x", Reason: "\n"}, nil},
		"no change":                {hook.Change{}, []string{"op"}},
		"an unknown change":        {hook.Change{Op: "hold"}, []string{"op"}},
		"a change in another case": {hook.Change{Op: "Stop", By: hook.ByWorkflow}, []string{"op"}},
	} {
		t.Run(name, func(t *testing.T) {
			checkFields(t, test.change.Validate(""), test.want...)
			var prefixed []string
			for _, field := range test.want {
				prefixed = append(prefixed, "changes[12]."+field)
			}
			checkFields(t, test.change.Validate("changes[12]."), prefixed...)
		})
	}
}

// A change of an unknown kind is bad input, not a conflict, and does nothing.
func TestApplyUnknownChange(t *testing.T) {
	for _, state := range states() {
		i := inState(t, state)
		before := *i
		ch := hook.Change{Op: "hold"}
		emitted, changed, err := ch.Apply(i, noon())
		checkFields(t, err, "op")
		if emitted != "" || changed {
			t.Errorf("%v: event %q, changed %v", state, emitted, changed)
		}
		if diff := cmp.Diff(before, *i); diff != "" {
			t.Errorf("%v (-want +got):\n%s", state, diff)
		}
	}
}
