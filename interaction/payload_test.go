package interaction_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/interaction"
)

func example() interaction.Payload {
	const session, id = "49a0ed5c-77b8-4091-a0c2-1d904ff709b0", "8e09e19f-b8ba-4db0-b6e7-dfc8a7776176"
	return interaction.Payload{
		OperationID: "f6c49d91-926b-4473-b2f3-8d8fd295c968",
		Entities: []interaction.EntityEvent{{
			Event: interaction.EventStarted,
			Entity: interaction.Entity{
				ID: id, MediaType: interaction.MediaChat, Subtype: interaction.SubtypeInboundNew,
				SelfURI: "https://hookswitch.example" + interaction.SelfPath(interaction.MediaChat, session, id),
			},
		}},
	}
}

// TestGolden holds the example of spec.md section 1, compact: whoever changes a byte of it breaks every receiver.
func TestGolden(t *testing.T) {
	golden, err := os.ReadFile("testdata/started-chat.json")
	if err != nil {
		t.Fatal(err)
	}
	if got := example().Append(nil); !bytes.Equal(got, golden) {
		t.Errorf("Append:\n got %s\nwant %s", got, golden)
	}
	parsed, err := interaction.Parse(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(example(), parsed); diff != "" {
		t.Errorf("Parse (-want +got):\n%s", diff)
	}
}

// wirePayload describes the same JSON to encoding/json, which is the oracle for Append.
type wirePayload struct {
	OperationID string `json:"operationId"`
	Data        struct {
		Entities []interaction.EntityEvent `json:"entities"`
	} `json:"data"`
}

func oracle(t rapid.TB, p interaction.Payload) []byte {
	wire := wirePayload{OperationID: p.OperationID}
	wire.Data.Entities = append([]interaction.EntityEvent{}, p.Entities...)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(wire); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// anyString draws arbitrary bytes too, and often the characters that JSON treats specially.
func anyString() *rapid.Generator[string] {
	raw := rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })
	special := rapid.StringOf(rapid.RuneFrom([]rune("a/<>&\"\\\b\f\n\r\t\x00\x1f\x7f é\u2028\u2029\ufffd😀")))
	return rapid.OneOf(rapid.String(), raw, special)
}

func anyPayload() *rapid.Generator[interaction.Payload] {
	entity := rapid.Custom(func(t *rapid.T) interaction.EntityEvent {
		return interaction.EntityEvent{
			Event: interaction.Event(anyString().Draw(t, "event")),
			Entity: interaction.Entity{
				ID:        anyString().Draw(t, "id"),
				MediaType: interaction.MediaType(anyString().Draw(t, "mediaType")),
				Subtype:   interaction.Subtype(anyString().Draw(t, "subtype")),
				SelfURI:   anyString().Draw(t, "selfUri"),
			},
		}
	})
	return rapid.Custom(func(t *rapid.T) interaction.Payload {
		return interaction.Payload{
			OperationID: anyString().Draw(t, "operationId"),
			Entities:    rapid.SliceOfN(entity, 0, 4).Draw(t, "entities"),
		}
	})
}

func TestAppendEqualsEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPayload().Draw(t, "payload")
		want := oracle(t, p)
		got := p.Append(nil)
		if !bytes.Equal(got, want) {
			t.Fatalf("got  %q\nwant %q", got, want)
		}
		if cap(got) != len(got) {
			t.Fatalf("reserved %d bytes for %d", cap(got), len(got))
		}
		if got := p.Append([]byte("kept")); !bytes.Equal(got, append([]byte("kept"), want...)) {
			t.Fatalf("Append to a prefix: %q", got)
		}
	})
}

func TestMarshalJSON(t *testing.T) {
	p := example()
	p.Entities[0].Entity.SelfURI += "?a=1&b=<2>"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]any{"p": p}); err != nil {
		t.Fatal(err)
	}
	if want := `{"p":` + string(p.Append(nil)) + "}\n"; b.String() != want {
		t.Errorf("got %s want %s", b.String(), want)
	}
	var back map[string]interaction.Payload
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, back["p"]); diff != "" {
		t.Errorf("Unmarshal (-want +got):\n%s", diff)
	}
	if err := json.Unmarshal([]byte(`{"p":{}}`), &back); err == nil {
		t.Error("Unmarshal accepted an empty payload")
	}
}

func TestAppendAllocations(t *testing.T) {
	p := example()
	escaped := example()
	escaped.Entities[0].Entity.SelfURI += "\u2028\"\x01é"
	dst := make([]byte, 0, 1024)
	for name, test := range map[string]struct {
		payload interaction.Payload
		dst     []byte
		want    float64
	}{
		"new":             {p, nil, 1},
		"new with escape": {escaped, nil, 1},
		"reused":          {p, dst, 0},
	} {
		if got := testing.AllocsPerRun(100, func() { sink = test.payload.Append(test.dst) }); got != test.want {
			t.Errorf("%s: %v allocations, want %v", name, got, test.want)
		}
	}
}

var sink []byte

func BenchmarkAppend(b *testing.B) {
	p := example()
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sink = p.Append(nil)
		}
	})
	b.Run("reused", func(b *testing.B) {
		b.ReportAllocs()
		dst := make([]byte, 0, 1024)
		for b.Loop() {
			dst = p.Append(dst[:0])
		}
	})
}

func BenchmarkParse(b *testing.B) {
	body := example().Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := interaction.Parse(body); err != nil {
			b.Fatal(err)
		}
	}
}
