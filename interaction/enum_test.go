package interaction_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/interaction"
)

func TestEnums(t *testing.T) {
	if diff := cmp.Diff([]interaction.Event{"STARTED", "FINISHED"}, interaction.Events()); diff != "" {
		t.Errorf("Events (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]interaction.MediaType{"chat", "email"}, interaction.MediaTypes()); diff != "" {
		t.Errorf("MediaTypes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]interaction.Subtype{
		"InboundNew", "Outbound", "SMS", "WhatsApp", "FacebookPublic", "FacebookPrivate", "TwitterPublic", "TwitterPrivate",
	}, interaction.Subtypes()); diff != "" {
		t.Errorf("Subtypes (-want +got):\n%s", diff)
	}
	checkValid(t, interaction.Events(), interaction.Event.Valid)
	checkValid(t, interaction.MediaTypes(), interaction.MediaType.Valid)
	checkValid(t, interaction.Subtypes(), interaction.Subtype.Valid)
}

func checkValid[T ~string](t *testing.T, list []T, valid func(T) bool) {
	t.Helper()
	for _, v := range list {
		if !valid(v) {
			t.Errorf("%q is listed but not valid", v)
		}
		if valid(v+" ") || valid("x"+v) {
			t.Errorf("something near %q is valid", v)
		}
	}
	if valid("") || valid("Chat") || valid("started") {
		t.Error("empty or wrongly cased text is valid")
	}
}

func TestSelfPath(t *testing.T) {
	for name, test := range map[string]struct {
		media               interaction.MediaType
		session, id, expect string
	}{
		"chat":    {interaction.MediaChat, "s-1", "i-1", "/nexus/v3/chat/sessions/s-1/i-1"},
		"e-mail":  {interaction.MediaEmail, "s-1", "i-1", "/nexus/v3/securemail/s-1/i-1"},
		"escaped": {interaction.MediaChat, "a/b?", "c d#", "/nexus/v3/chat/sessions/a%2Fb%3F/c%20d%23"},
		"unknown": {"voice", "s", "i", ""},
	} {
		if got := interaction.SelfPath(test.media, test.session, test.id); got != test.expect {
			t.Errorf("%s: got %q, want %q", name, got, test.expect)
		}
	}
}

func TestAnswer(t *testing.T) {
	for want, answer := range map[string]interaction.Answer{
		`{"status":{"code":0,"message":"OK"},"data":{"ids":[{"id":"a"},{"id":"b"}]}}`: interaction.NewAnswer("a", "b"),
		`{"status":{"code":0,"message":"OK"},"data":{"ids":[]}}`:                      interaction.NewAnswer(),
	} {
		got, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("got %s want %s", got, want)
		}
	}
}
