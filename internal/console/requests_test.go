package console_test

import (
	"net/http"
	"strconv"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// scriptedRequests makes headers that say which attempt they are of.
type scriptedRequests struct{}

func (scriptedRequests) Request(_ *hook.Webhook, e *hook.Event, number int, _ time.Time) (http.Header, error) {
	return http.Header{"Hookswitch-Attempt": {strconv.Itoa(number)}, "X-Of": {e.OperationID.String()}, "X-Tenant": {"***"}}, nil
}
