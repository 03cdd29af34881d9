package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/hookswitch/hookswitch/client"
)

// disableNever is what --disable-after takes for no such time, and disableZero what the API does.
const (
	disableNever = "never"
	disableZero  = "0s"
)

// failingFlags adds the flags for what becomes of a webhook whose receiver fails.
func (w *webhookSettings) failingFlags() {
	w.number("circuit-failures", "failures in a row on one node that open the circuit", "circuitBreaker", "failures")
	w.number("circuit-share", "the failing share of a minute's attempts that opens the circuit, 0.01 to 1", "circuitBreaker", "share")
	w.number("circuit-minimum", "how few attempts in a minute say nothing about the share", "circuitBreaker", "minimum")
	w.cmd.Flags().Func("disable-after", "disable the webhook when its circuit is open for so long: 1m to 720h, or "+disableNever, func(text string) error {
		if text == disableNever {
			text = disableZero
		}
		w.set(text, "disable", "after")
		return nil
	})
	w.cmd.Flags().BoolFunc("disable-on-gone", "disable the webhook when its receiver answers 410 Gone", func(text string) error {
		gone, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		w.set(gone, "disable", "onGone")
		return nil
	})
}

// failingFields are the fields of a webhook about a receiver that fails.
func failingFields(w client.Webhook) [][2]string {
	b := w.CircuitBreaker
	return [][2]string{
		{"circuit", circuitOf(w.Circuit)},
		{"circuit opens", fmt.Sprintf("after %d failures in a row, or %v of at least %d attempts in a minute", b.Failures, b.Share, b.Minimum)},
		{"disabled by the server", disablingOf(w.Disable)},
	}
}

// enabledOf says whether a webhook is enabled, and who disabled it if that was the server.
func enabledOf(w client.Webhook) string {
	if w.Disabled == nil {
		return strconv.FormatBool(w.Enabled)
	}
	return fmt.Sprintf("%t: disabled by the server (%s) at %s", w.Enabled, w.Disabled.Reason, timeOf(&w.Disabled.At))
}

func circuitOf(c client.Circuit) string {
	text := string(c.State)
	for _, part := range []struct {
		name string
		at   *time.Time
	}{{"since", c.Since}, {"next probe at", c.NextProbeAt}, {"the webhook is disabled at", c.DisableAt}} {
		if part.at != nil {
			text += fmt.Sprintf("; %s %s", part.name, timeOf(part.at))
		}
	}
	return text
}

func disablingOf(d client.Disable) string {
	text := disableNever
	if d.After != nil {
		text = "after " + *d.After + " with an open circuit"
	}
	if !d.OnGone {
		return text
	}
	if d.After == nil {
		return "at 410 Gone"
	}
	return text + ", and at 410 Gone"
}
