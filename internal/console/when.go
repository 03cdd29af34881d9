package console

import "time"

// wrongTime says what is wrong with a time that cannot be read.
const wrongTime = "must be a time in UTC, such as 2026-11-22T16:00"

// parseTime reads a time as forms and people write it: RFC 3339, or the local time of an input of the type datetime-local (HTML, "Local date and
// time strings"), which is taken as UTC.
func parseTime(text string) (time.Time, bool) {
	for _, layout := range [...]string{
		time.RFC3339Nano, "2006-01-02T15:04:05.999", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly,
	} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// fieldTime is a time as a field of a form holds it; empty for none.
func fieldTime(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format("2006-01-02T15:04:05.999")
}
