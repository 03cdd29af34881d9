package egress

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// retryAfterMax is the longest wait that a receiver may ask for: the longest wait that a webhook may have.
const retryAfterMax = 24 * time.Hour

// retryAfter returns how long the value of a Retry-After header asks to wait (RFC 9110, section 10.2.3: seconds or a
// date), at most [retryAfterMax], and zero when it asks for nothing that can be understood or for the past.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.Trim(value, " \t")
	if value == "" {
		return 0
	}
	if value[0] >= '0' && value[0] <= '9' {
		return seconds(value)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), retryAfterMax)
}

// seconds reads digits and nothing else; more of them than fit mean very long.
func seconds(value string) time.Duration {
	if strings.Trim(value, "0123456789") != "" {
		return 0
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil || n > uint64(retryAfterMax/time.Second) {
		return retryAfterMax
	}
	return time.Duration(n) * time.Second
}
