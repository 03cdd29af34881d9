package interaction_test

import (
	"errors"
	"fmt"

	"github.com/hookswitch/hookswitch/interaction"
)

func ExampleParse() {
	payload, err := interaction.Parse([]byte(`{"operationId":"op-1","data":{"entities":[{"event":"FINISHED","entity":{
		"id":"i-1","mediaType":"email","interactionSubtype":"InboundNew","selfUri":"https://cc.example/nexus/v3/securemail/s-1/i-1"}}]}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range payload.Entities {
		fmt.Println(e.Event, e.Entity.MediaType, e.Entity.ID)
	}
	// Output: FINISHED email i-1
}

func ExampleParseError() {
	_, err := interaction.Parse([]byte(`{"operationId":"","data":{"entities":[{"event":"BEGUN","entity":null}]}}`))
	var wrong *interaction.ParseError
	if errors.As(err, &wrong) {
		for _, p := range wrong.Problems {
			fmt.Println(p.Path, p.Message)
		}
	}
	// Output:
	// operationId must not be empty
	// data.entities[0].event must be one of STARTED, FINISHED, not "BEGUN"
	// data.entities[0].entity must not be null
}

func ExamplePayload_Append() {
	payload := interaction.Payload{
		OperationID: "op-1",
		Entities: []interaction.EntityEvent{{
			Event: interaction.EventStarted,
			Entity: interaction.Entity{
				ID: "i-1", MediaType: interaction.MediaChat, Subtype: interaction.SubtypeWhatsApp,
				SelfURI: "https://cc.example" + interaction.SelfPath(interaction.MediaChat, "s-1", "i-1"),
			},
		}},
	}
	fmt.Printf("%s\n", payload.Append(nil))
	// Output:
	// {"operationId":"op-1","data":{"entities":[{"event":"STARTED","entity":{"id":"i-1","mediaType":"chat","interactionSubtype":"WhatsApp","selfUri":"https://cc.example/nexus/v3/chat/sessions/s-1/i-1"}}]}}
}
