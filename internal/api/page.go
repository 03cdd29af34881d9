package api

import (
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// Page is the part of a list that is asked for. It is embedded in the input of every list.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many items at most."`
	Cursor string `query:"cursor" maxLength:"512" doc:"The nextCursor of the answer before."`
}

func (p *Page) page() store.Page { return store.Page{Limit: p.Limit, Cursor: p.Cursor} }

// Continuation is how a list goes on after a page.
type Continuation struct {
	NextCursor string  `json:"nextCursor,omitempty" doc:"Absent at the end."`
	SearchedTo instant `json:"searchedTo,omitzero" doc:"There on a page that ended early: all that was created after this time was looked at. nextCursor goes on from there."`
}

// aboutShortPages tells what a client must do where filters are combined so that no index helps.
const aboutShortPages = "One request looks at a bounded part of the store. Where few of many records match, a page may have fewer items than its limit, " +
	"even none, and a nextCursor all the same: only a page without one is the last."

// goesOn returns how the list goes on after a page of so many items.
func (p *Page) goesOn(items int, next string) Continuation {
	c := Continuation{NextCursor: next}
	if next != "" && items < p.Limit {
		c.SearchedTo.Time, _ = store.CursorTime(next) // it is one that the store just made
	}
	return c
}

// emptyRange names the end of a range of time that is not after its beginning: its list would be empty, which reads as if nothing had
// happened. A bound that was not given is the zero time.
func emptyRange(from string, begin time.Time, to string, end time.Time) []error {
	if begin.IsZero() || end.IsZero() || begin.Before(end) {
		return nil
	}
	return []error{&fault{Field: "query." + to, Message: "must be later than " + from, Value: end.Format(time.RFC3339Nano)}}
}

// badCursor names the parameter that holds a cursor which is not one.
func badCursor(location string) error {
	return &hook.InvalidError{Fields: []hook.FieldError{{Field: location, Message: "is not a cursor of this list"}}}
}
