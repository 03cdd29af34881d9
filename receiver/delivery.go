package receiver

import (
	"net/http"
	"strconv"

	"github.com/hookswitch/hookswitch/interaction"
)

// Delivery tells how an event came. All but OperationID and Secret is from headers, which no signature covers: it is good for
// logs and traces, not for decisions. The Genesys original sends only ContactCenterID and TraceID; what was not sent is
// zero.
type Delivery struct {
	// OperationID names the operation that caused the event; it is the same on every attempt.
	OperationID string
	// ID names the delivery to this webhook; it is the same on every attempt.
	ID string
	// Attempt counts the POSTs of this delivery, from 1.
	Attempt int
	// ContactCenterID names the contact centre.
	ContactCenterID string
	// TraceID names the trace of the event, in hex.
	TraceID string
	// Test is true if the sender says that the interaction is made up.
	Test bool
	// Secret is the place in Config.Secrets, counted from 0, of the secret that signed. While the sender rotates, it tells when
	// the old one is of no use any more.
	Secret int
}

func newDelivery(header http.Header, operationID string, secret int) Delivery {
	attempt, err := strconv.Atoi(header.Get(interaction.AttemptHeader))
	if err != nil || attempt < 0 {
		// Missing or nonsense: nothing depends on it.
		attempt = 0
	}
	return Delivery{
		Secret:          secret,
		OperationID:     operationID,
		ID:              header.Get(interaction.DeliveryHeader),
		Attempt:         attempt,
		ContactCenterID: header.Get(interaction.ContactCenterHeader),
		TraceID:         header.Get(interaction.TraceHeader),
		Test:            header.Get(interaction.TestHeader) == "true",
	}
}
