package cli

import (
	"testing"

	"github.com/hookswitch/hookswitch/client"
)

func TestTimingOfAnAttempt(t *testing.T) {
	text := func(s string) *string { return &s }
	many, one := int64(7), int64(1)
	for _, test := range []struct {
		name    string
		attempt client.Attempt
		want    string
	}{
		{"nothing is known", client.Attempt{}, ""},
		{
			"all",
			client.Attempt{Timing: &client.Timing{Dns: text("83µs"), Connect: text("1.5ms"), Tls: text("2ms"), FirstByte: text("5ms")}, Events: &one},
			"DNS 83µs, connect 1.5ms, TLS 2ms, first byte after 5ms",
		},
		{
			"a connection that was there, a batch",
			client.Attempt{Timing: &client.Timing{FirstByte: text("5ms")}, Events: &many},
			"a connection that was there, first byte after 5ms, 7 events in the POST",
		},
		{"no answer", client.Attempt{Timing: &client.Timing{Connect: text("1.5ms"), Tls: text("10s")}}, "connect 1.5ms, TLS 10s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := timingOf(test.attempt); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
