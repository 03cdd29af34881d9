package api

import (
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// Page is the part of a list that is asked for. It is embedded in the input of every list.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many items at most."`
	Cursor string `query:"cursor" maxLength:"512" doc:"The nextCursor of the answer before."`
}

func (p *Page) page() store.Page { return store.Page{Limit: p.Limit, Cursor: p.Cursor} }

// badCursor names the parameter that holds a cursor which is not one.
func badCursor(location string) error {
	return &hook.InvalidError{Fields: []hook.FieldError{{Field: location, Message: "is not a cursor of this list"}}}
}
