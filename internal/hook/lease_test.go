package hook

import (
	"testing"
	"time"
)

// TestLeaseFor holds the one rule about leases against its parts: the POST, the waits that the settings ask for, the margin.
func TestLeaseFor(t *testing.T) {
	tests := []struct {
		name            string
		timeout, linger time.Duration
		rate            int
		want            time.Duration
	}{
		{"the shortest", time.Second, 0, 0, 2 * time.Second},
		{"the longest POST", time.Minute, 0, 0, 61 * time.Second},
		{"linger", 10 * time.Second, time.Second, 0, 12 * time.Second},
		{"one POST a second", 10 * time.Second, 0, 1, 12 * time.Second},
		{"three POSTs a second", 10 * time.Second, 0, 3, 11_334 * time.Millisecond},
		{"the highest rate", 10 * time.Second, 0, RateLimitMax, 11_001 * time.Millisecond},
		{"everything", time.Minute, time.Second, 1, 63 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := DefaultSettings()
			s.RequestTimeout, s.Batch.Linger, s.RateLimit = Duration(tt.timeout), Duration(tt.linger), tt.rate
			if got := LeaseFor(&s); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if LeaseReserve <= 0 || LeaseReserve >= LeaseMargin {
		t.Errorf("the reserve of %v is no part of the margin of %v", LeaseReserve, LeaseMargin)
	}
}
