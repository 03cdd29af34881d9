package receiver_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/receiver"
	"github.com/hookswitch/hookswitch/signature"
)

// A complete receiver. A program would give the handler to http.ListenAndServe; here a sender delivers the same event
// twice, and the function is called once.
func Example() {
	handler, err := receiver.New(receiver.Config{
		Secrets: [][]byte{[]byte("the webhook's app secret")},
		Handle: func(_ context.Context, e interaction.EntityEvent, d receiver.Delivery) error {
			fmt.Println(e.Event, e.Entity.MediaType, e.Entity.ID, "in contact centre", d.ContactCenterID)
			return nil // An error makes the sender deliver this event again.
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(handler) // In a program: ListenAndServe of net/http.
	defer server.Close()
	deliver(server.URL)
	deliver(server.URL)
	// Output:
	// STARTED chat 8e09e19f in contact centre default
	// 200 OK
	// 200 OK
}

// deliver is what a sender does.
func deliver(url string) {
	body := []byte(`{"operationId":"f6c49d91","data":{"entities":[{"event":"STARTED","entity":{"id":"8e09e19f",` +
		`"mediaType":"chat","interactionSubtype":"InboundNew","selfUri":"https://cc.example/nexus/v3/chat/sessions/49a0ed5c/8e09e19f"}}]}}`)
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set(signature.HubHeader, signature.SHA1([]byte("the webhook's app secret"), body))
	request.Header.Set(interaction.ContactCenterHeader, "default")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	fmt.Println(response.Status)
}
