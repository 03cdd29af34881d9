package egress

import (
	"io"
	"log"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // net/http writes a line for each frame that it does not know
	goleak.VerifyTestMain(m)
}
