package hook

import (
	"fmt"
	"time"
)

// Duration is a [time.Duration] that is written as a text such as "10s" or "1h30m" wherever it is encoded.
type Duration time.Duration

// String returns the shortest text, without zero units at the end: "6h", not "6h0m0s".
func (d Duration) String() string {
	s := time.Duration(d).String()
	for _, zero := range [...]string{"m0s", "h0m"} {
		if len(s) > len(zero) && s[len(s)-len(zero):] == zero {
			s = s[:len(s)-len(zero)+1]
		}
	}
	return s
}

// MarshalText returns the text of the duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a duration as [time.ParseDuration] does.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 500ms, 10s or 6h", clip(string(text)))
	}
	*d = Duration(parsed)
	return nil
}
