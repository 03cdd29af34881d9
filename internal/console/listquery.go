package console

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// listQuery reads the fields of a form that filters a list. What does not fit is a fault under the field's name, and counts as not given.
type listQuery struct {
	values url.Values
	faults faults
}

func newListQuery(values url.Values) *listQuery { return &listQuery{values, faults{}} }

// text returns what was given, without spaces around it.
func (q *listQuery) text(field string) string { return strings.TrimSpace(q.values.Get(field)) }

func (q *listQuery) fail(field, text string) {
	if _, known := q.faults[field]; !known {
		q.faults[field] = text
	}
}

// id reads an identifier.
func (q *listQuery) id(field string) (id hook.UUID) {
	text := q.text(field)
	if text == "" {
		return id
	}
	id, err := hook.ParseUUID(text)
	if err != nil {
		q.fail(field, "must be an id of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
	}
	return id
}

// time reads a time, which is UTC where it does not say.
func (q *listQuery) time(field string) time.Time {
	text := q.text(field)
	if text == "" {
		return time.Time{}
	}
	at, ok := parseTime(text)
	if !ok {
		q.fail(field, wrongTime)
	}
	return at
}

// number reads a whole number between two.
func (q *listQuery) number(field string, least, most int) int {
	text := q.text(field)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		q.fail(field, fmt.Sprintf("must be a whole number from %s to %s", count(least), count(most)))
		return 0
	}
	return n
}

// oneOf reads a value of a list.
func oneOf[T ~string](q *listQuery, field string, known []T) T {
	text := T(q.text(field))
	if text != "" && !slices.Contains(known, text) {
		q.fail(field, "must be one of "+joined(known))
		return ""
	}
	return text
}

// someOf reads the checked values of a list.
func someOf[T ~string](q *listQuery, field string, known []T) (list []T) {
	for _, text := range q.values[field] {
		switch {
		case !slices.Contains(known, T(text)):
			q.fail(field, "must be some of "+joined(known))
		case !slices.Contains(list, T(text)):
			list = append(list, T(text))
		}
	}
	return list
}

func joined[T ~string](list []T) string {
	texts := make([]string, len(list))
	for i, one := range list {
		texts[i] = string(one)
	}
	return strings.Join(texts, ", ")
}

// querySet returns the values with one of them set, or taken away where it is empty, as the end of a URL.
func querySet(values url.Values, field, value string) string {
	changed := url.Values{}
	for name, list := range values {
		if name != field && name != "cursor" && len(list) > 0 && list[0] != "" {
			changed[name] = list
		}
	}
	if value != "" {
		changed.Set(field, value)
	}
	if len(changed) == 0 {
		return ""
	}
	return "?" + changed.Encode()
}
