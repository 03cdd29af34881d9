package delivery

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/hookswitch/hookswitch/internal/pgtest"
)

// suite runs the tests and then ends their PostgreSQL.
type suite struct{ m *testing.M }

func (s suite) Run() int { return pgtest.Main(s.m) }

func TestMain(m *testing.M) { goleak.VerifyTestMain(suite{m}) }
