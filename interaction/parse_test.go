package interaction_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/interaction"
)

func TestParseAccepts(t *testing.T) {
	const entity = `{"event":"FINISHED","entity":{"id":"i","mediaType":"email","interactionSubtype":"SMS","selfUri":"http://h/p"}}`
	one := interaction.EntityEvent{
		Event:  interaction.EventFinished,
		Entity: interaction.Entity{ID: "i", MediaType: interaction.MediaEmail, Subtype: interaction.SubtypeSMS, SelfURI: "http://h/p"},
	}
	for name, test := range map[string]struct {
		body string
		want []interaction.EntityEvent
	}{
		"one":         {`{"operationId":"o","data":{"entities":[` + entity + `]}}`, []interaction.EntityEvent{one}},
		"two":         {`{"operationId":"o","data":{"entities":[` + entity + `,` + entity + `]}}`, []interaction.EntityEvent{one, one}},
		"other order": {`{"data":{"entities":[` + entity + `]},"operationId":"o"}`, []interaction.EntityEvent{one}},
		"white space": {" {\r\n\t\"operationId\" : \"o\" , \"data\" : {\"entities\": [ " + entity + " ] } }\n", []interaction.EntityEvent{one}},
		"unknown fields": {
			`{"v":2,"operationId":"o","data":{"x":null,"entities":[{"new":{"a":[1]},` + entity[1:] + `]},"v":3}`,
			[]interaction.EntityEvent{one},
		},
		"escaped names": {`{"operation\u0049d":"o","data":{"entities":[` + entity + `]}}`, []interaction.EntityEvent{one}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := interaction.Parse([]byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(interaction.Payload{OperationID: "o", Entities: test.want}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	type problem = interaction.Problem
	for name, test := range map[string]struct {
		body string
		want []problem
	}{
		"empty":         {" \n", []problem{{"", "is empty"}}},
		"not UTF-8":     {"{\"a\":\"\xff\"}", []problem{{"", "is not UTF-8"}}},
		"not JSON":      {`{"operationId"}`, []problem{{"", "is not JSON: invalid character '}' after object key (at byte 15)"}}},
		"two values":    {`{} {}`, []problem{{"", "is not JSON: invalid character '{' after top-level value (at byte 4)"}}},
		"null":          {`null`, []problem{{"", "must not be null"}}},
		"array":         {`[]`, []problem{{"", "must be an object, not an array"}}},
		"number":        {`17`, []problem{{"", "must be an object, not a number"}}},
		"nothing":       {`{}`, []problem{{"operationId", "is missing"}, {"data", "is missing"}}},
		"no entities":   {`{"operationId":"o","data":{}}`, []problem{{"data.entities", "is missing"}}},
		"zero entities": {`{"operationId":"o","data":{"entities":[]}}`, []problem{{"data.entities", "must hold at least one event"}}},
		"entities of another kind": {`{"operationId":"o","data":{"entities":{}}}`, []problem{
			{"data.entities", "must be an array, not an object"},
		}},
		"other case": {`{"OperationID":"o","data":{"entities":null}}`, []problem{
			{"operationId", "is missing"}, {"data.entities", "must not be null"},
		}},
		"all at once": {
			`{"operationId":7,"data":{"entities":[
			  {"event":"started","entity":{"id":"","mediaType":"voice","interactionSubtype":true,"selfUri":"/nexus/v3"}},
			  {"event":"STARTED","entity":{"id":"i","mediaType":"chat","interactionSubtype":"Outbound"}},
			  "FINISHED"]}}`,
			[]problem{
				{"operationId", "must be a string, not a number"},
				{"data.entities[0].event", `must be one of STARTED, FINISHED, not "started"`},
				{"data.entities[0].entity.id", "must not be empty"},
				{"data.entities[0].entity.mediaType", `must be one of chat, email, not "voice"`},
				{"data.entities[0].entity.interactionSubtype", "must be a string, not a boolean"},
				{"data.entities[0].entity.selfUri", `must be an absolute http or https URL, not "/nexus/v3"`},
				{"data.entities[1].entity.selfUri", "is missing"},
				{"data.entities[2]", "must be an object, not a string"},
			},
		},
		"twice": {
			`{"operationId":"a","data":{"entities":[{"event":"STARTED","event":"FINISHED","entity":{}}]},"operationId":"b"}`,
			[]problem{
				{"operationId", "occurs more than once"},
				{"data.entities[0].event", "occurs more than once"},
				{"data.entities[0].entity.id", "is missing"},
				{"data.entities[0].entity.mediaType", "is missing"},
				{"data.entities[0].entity.interactionSubtype", "is missing"},
				{"data.entities[0].entity.selfUri", "is missing"},
			},
		},
		"long value": {
			`{"operationId":"o","data":{"entities":[{"event":"` + strings.Repeat("x", 100) +
				`","entity":{"id":"i","mediaType":"chat","interactionSubtype":"SMS","selfUri":"http://h/"}}]}}`,
			[]problem{{"data.entities[0].event", `must be one of STARTED, FINISHED, not "` + strings.Repeat("x", 64) + `"…`}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			payload, err := interaction.Parse([]byte(test.body))
			var wrong *interaction.ParseError
			if !errors.As(err, &wrong) {
				t.Fatalf("got %v, %v; want a ParseError", payload, err)
			}
			if diff := cmp.Diff(test.want, wrong.Problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			for _, p := range wrong.Problems {
				if !strings.Contains(err.Error(), p.Path) || !strings.Contains(err.Error(), p.Message) {
					t.Errorf("Error() leaves out %v: %s", p, err)
				}
			}
		})
	}
}

func TestParseErrorIsBounded(t *testing.T) {
	items := strings.Repeat("0,", 1000) + "0"
	_, err := interaction.Parse([]byte(`{"operationId":"o","data":{"entities":[` + items + `]}}`))
	var wrong *interaction.ParseError
	if !errors.As(err, &wrong) {
		t.Fatalf("got %v", err)
	}
	if len(wrong.Problems) != interaction.ProblemsMax || wrong.Omitted != 1001-interaction.ProblemsMax {
		t.Errorf("%d problems, %d omitted", len(wrong.Problems), wrong.Omitted)
	}
	if !strings.HasSuffix(err.Error(), "; and 901 more") {
		t.Errorf("Error() = …%s", err.Error()[len(err.Error())-40:])
	}
}

// looseBody is how encoding/json reads a body: an independent reader of the same values.
type looseBody struct {
	OperationID string `json:"operationId"`
	Data        struct {
		Entities []interaction.EntityEvent `json:"entities"`
	} `json:"data"`
}

func validPayload() *rapid.Generator[interaction.Payload] {
	filled := rapid.StringN(1, 40, -1)
	entity := rapid.Custom(func(t *rapid.T) interaction.EntityEvent {
		media := rapid.SampledFrom(interaction.MediaTypes()).Draw(t, "mediaType")
		id := filled.Draw(t, "id")
		return interaction.EntityEvent{
			Event: rapid.SampledFrom(interaction.Events()).Draw(t, "event"),
			Entity: interaction.Entity{
				ID: id, MediaType: media, Subtype: rapid.SampledFrom(interaction.Subtypes()).Draw(t, "subtype"),
				SelfURI: "https://h.example" + interaction.SelfPath(media, filled.Draw(t, "session"), id),
			},
		}
	})
	return rapid.Custom(func(t *rapid.T) interaction.Payload {
		return interaction.Payload{
			OperationID: filled.Draw(t, "operationId"),
			Entities:    rapid.SliceOfN(entity, 1, 4).Draw(t, "entities"),
		}
	})
}

func TestParseReadsWhatAppendWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := validPayload().Draw(t, "payload")
		got, err := interaction.Parse(want.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

// caseVariants reports whether body could hold a name of the contract in another case, or a name that encoding/json folds
// to one (it folds U+017F to s and U+212A to k).
func caseVariants(body []byte) bool {
	for _, name := range []string{
		"operationId", "data", "entities", "event", "entity", "id", "mediaType", "interactionSubtype", "selfUri",
	} {
		rest := strings.ReplaceAll(string(body), `"`+name+`"`, "")
		if strings.Contains(strings.ToLower(rest), `"`+strings.ToLower(name)+`"`) {
			return true
		}
	}
	return bytes.ContainsAny(body, "\\\u017f\u212a")
}

// FuzzParse: never a panic, the error is always a ParseError with at least one problem, and what is accepted survives
// a round trip.
func FuzzParse(f *testing.F) {
	f.Add(example().Append(nil))
	f.Add([]byte(`{"operationId":"o","data":{"entities":[{"event":"STARTED","entity":null},0]},"data":1}`))
	f.Add([]byte(` {"z" : [ {"}":"]\\""} , -1.5e3 , null ], "operationId" : "o\\u0041" , "data":{"n":1 ,"entities":[ {"event":"FINISHED","entity":` +
		`{"id":"i","mediaType":"email","interactionSubtype":"SMS","selfUri":"http://h/p"},"t":true} ]}}`))
	f.Add([]byte(`{"operationId":"\ud800","data":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		payload, err := interaction.Parse(body)
		if err != nil {
			var wrong *interaction.ParseError
			if !errors.As(err, &wrong) || len(wrong.Problems) == 0 {
				t.Fatalf("error without problems: %#v", err)
			}
			return
		}
		var loose looseBody
		if err := json.Unmarshal(body, &loose); err != nil {
			t.Fatalf("accepts what encoding/json refuses: %v", err)
		}
		// encoding/json also takes a field in another case, the last one winning, so only bodies without such fields
		// can be compared.
		if !caseVariants(body) {
			if diff := cmp.Diff(interaction.Payload{OperationID: loose.OperationID, Entities: loose.Data.Entities}, payload); diff != "" {
				t.Fatalf("(-encoding/json +Parse):\n%s", diff)
			}
		}
		again, err := interaction.Parse(payload.Append(nil))
		if err != nil {
			t.Fatalf("refuses its own bytes: %v", err)
		}
		if diff := cmp.Diff(payload, again); diff != "" {
			t.Fatalf("(-first +second):\n%s", diff)
		}
	})
}
