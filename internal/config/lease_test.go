package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/config"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// A lease holds a POST, all that its webhook's settings make it wait for, and the margin: not a millisecond less is enough.
func TestLeaseHoldsAPost(t *testing.T) {
	tests := []struct {
		name            string
		timeout, linger time.Duration
		rate            int
		need            string
		mend            string // where the lease is 1ms shorter
	}{
		{"the shortest", time.Second, 0, 0, "2s", "a shorter batch.linger"},
		{"the default", 10 * time.Second, 0, 0, "11s", "a requestTimeout of at most 9.999s"},
		{"the longest", time.Minute, 0, 0, "1m1s", "a requestTimeout of at most 59.999s"},
		{"linger", 10 * time.Second, time.Second, 0, "12s", "1s for batch.linger"},
		{"one POST a second", 10 * time.Second, 0, 1, "12s", "1s for a turn of rateLimit"},
		{"three POSTs a second", 10 * time.Second, 0, 3, "11.334s", "334ms for a turn of rateLimit"},
		{"the highest rate", 10 * time.Second, 0, hook.RateLimitMax, "11.001s", "1ms for a turn of rateLimit"},
		{"everything", time.Second, time.Second, 1, "4s", "a shorter batch.linger or a higher rateLimit, or the server a longer lease"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := hook.DefaultSettings()
			s.RequestTimeout, s.Batch.Linger, s.RateLimit = hook.Duration(tt.timeout), hook.Duration(tt.linger), tt.rate
			if got := hook.Duration(config.LeaseFor(&s)).String(); got != tt.need {
				t.Errorf("needs %v, want %v", got, tt.need)
			}
			c, err := config.Load(from(t, map[string]string{"lease": tt.need}, nil, ""))
			if err != nil {
				t.Fatal(err)
			}
			if err := c.CheckLease(&s); err != nil || c.RequestTimeoutMax(&s) != tt.timeout {
				t.Errorf("a lease of %v: %v, at most %v", tt.need, err, c.RequestTimeoutMax(&s))
			}
			c.Lease -= time.Millisecond
			if err := c.CheckLease(&s); err == nil || !strings.Contains(err.Error(), "needs a lease of at least "+tt.need+" (") || !strings.Contains(err.Error(), tt.mend) {
				t.Errorf("a millisecond less: got %v, want %q", err, tt.mend)
			}
		})
	}
}

// Every webhook that the domain allows fits the default lease.
func TestDefaultLeaseHoldsEveryPost(t *testing.T) {
	c, err := config.Load(from(t, nil, nil, ""))
	if err != nil {
		t.Fatal(err)
	}
	s := hook.DefaultSettings()
	s.RequestTimeout, s.Batch.Linger, s.RateLimit = hook.RequestTimeoutMax, hook.BatchLingerMax, 1
	if err := c.CheckLease(&s); err != nil {
		t.Error(err)
	}
}

func TestLeaseBounds(t *testing.T) {
	for _, text := range []string{"2s", "10m"} {
		if c, err := config.Load(from(t, map[string]string{"lease": text}, nil, "")); err != nil || hook.Duration(c.Lease).String() != text {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A value that the rest of the program refuses is reported as the file's own problems are.
func TestRefuse(t *testing.T) {
	c, err := config.Load(from(t, map[string]string{"lease": "5s"}, nil, ""))
	if err != nil {
		t.Fatal(err)
	}
	want := "the configuration cannot be used:\n  lease \"5s\" is too short (from flag --lease)"
	if got := c.Refuse("lease", "is too short").Error(); got != want {
		t.Errorf("got %s", got)
	}
}
