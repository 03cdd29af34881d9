package api_test

import (
	"os"
	"testing"

	"github.com/hookswitch/hookswitch/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
