package receiver_test

import (
	"context"
	"log"
	"net/http"
	"os"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/receiver"
)

// The receiver of the README: verified, without duplicates, in one call.
func ExampleNew() {
	handler, err := receiver.New(receiver.Config{
		Secrets: [][]byte{[]byte(os.Getenv("APP_SECRET"))},
		Handle: func(_ context.Context, e interaction.EntityEvent, d receiver.Delivery) error {
			log.Println(e.Event, e.Entity.MediaType, e.Entity.ID, "of contact centre", d.ContactCenterID)
			return nil // an error asks for the event to be delivered again
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:8481", handler))
}
