package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/client"
)

const contentJSON = "application/json"

// jsonBody makes the body of a request.
func jsonBody(document any) (io.Reader, error) {
	raw, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	return bytes.NewReader(raw), nil
}

// parseID reads an id from the command line.
func parseID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.UUID{}, usageErrorf("%q is not an id of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", clean(text))
	}
	return id, nil
}

// idempotencyFlag adds the flag for the key under which a repeated command changes nothing twice.
func idempotencyFlag(cmd *cobra.Command) func() client.RequestEditorFn {
	key := cmd.Flags().String("idempotency-key", "", "repeating the command with the same key changes nothing twice")
	return func() client.RequestEditorFn {
		return func(_ context.Context, r *http.Request) error {
			if *key != "" {
				r.Header.Set("Idempotency-Key", *key)
			}
			return nil
		}
	}
}

// listAllMax bounds how many items --all holds; the document then says with nextCursor that there are more.
const listAllMax = 100_000

// pageItemsDefault is how many items a list shows when nobody says.
const pageItemsDefault = 50

// listing are the flags of a command that lists.
type listing struct {
	cmd    *cobra.Command
	fields map[string]string // from flags to parameters of the query
	all    bool
	json   bool
}

// filter is a flag that becomes a parameter of a list's query. The server judges its value, so that there is one judge.
type filter struct{ flag, parameter, usage string }

func listFlags(cmd *cobra.Command, filters ...filter) *listing {
	l := &listing{cmd: cmd, fields: map[string]string{}}
	paging := []filter{
		{"limit", "limit", "how many at most, 1 to 200 (default 50)"},
		{"cursor", "cursor", "the nextCursor of the answer before"},
	}
	for _, f := range append(filters, paging...) {
		cmd.Flags().String(f.flag, "", f.usage)
		l.fields[f.flag] = f.parameter
	}
	cmd.Flags().BoolVar(&l.all, "all", false, "follow the cursors to the end")
	jsonFlag(cmd, &l.json)
	return l
}

// timeParameters are the parameters that are times; a command also takes how long ago that was.
func timeParameters() []string { return []string{"from", "to", "createdAfter", "createdBefore"} }

// bound is the flag that ends a search at a time.
func (l *listing) bound() string {
	if _, ok := l.fields["created-after"]; ok {
		return "created-after"
	}
	return "from"
}

// query returns the parameters that were given.
func (l *listing) query(now time.Time) url.Values {
	q := url.Values{}
	for flag, parameter := range l.fields {
		if f := l.cmd.Flags().Lookup(flag); f.Changed {
			q.Set(parameter, f.Value.String())
			if slices.Contains(timeParameters(), parameter) {
				q.Set(parameter, ago(f.Value.String(), now))
			}
		}
	}
	if l.all && !q.Has("limit") {
		q.Set("limit", "200")
	}
	return q
}

// withQuery sets the query of a request.
func withQuery(q url.Values) client.RequestEditorFn {
	return func(_ context.Context, r *http.Request) error {
		r.URL.RawQuery = q.Encode()
		return nil
	}
}

// items is a list as the API answers it.
type items struct {
	Items      []json.RawMessage `json:"items"`
	NextCursor string            `json:"nextCursor,omitempty"`
	// SearchedTo is there where a page ended before it was full, because the server looks at so much at a time.
	SearchedTo time.Time `json:"searchedTo,omitzero"`
}

// fetch reads a list: as many items as were asked for, or all of them, over as many pages as that takes. It tells looked, after each
// page that ended early, up to when the list was looked at.
func (l *listing) fetch(call func(client.RequestEditorFn) ([]byte, error), looked func(time.Time)) (items, error) {
	all, q := items{Items: []json.RawMessage{}}, l.query(time.Now())
	wanted := pageItemsDefault
	if q.Has("limit") {
		var err error
		if wanted, err = strconv.Atoi(q.Get("limit")); err != nil {
			wanted = 0 // the server says what is wrong with it
		}
	}
	for {
		raw, err := call(withQuery(q))
		if err != nil {
			return items{}, err
		}
		var page items
		if err := json.Unmarshal(raw, &page); err != nil {
			return items{}, fmt.Errorf("read list: %w", err)
		}
		all.Items = append(all.Items, page.Items...)
		all.NextCursor = page.NextCursor
		switch {
		case page.NextCursor == "", l.all && len(all.Items) >= listAllMax, !l.all && len(all.Items) >= wanted:
			return all, nil
		case !page.SearchedTo.IsZero():
			looked(page.SearchedTo)
		}
		q.Set("cursor", page.NextCursor)
		if !l.all {
			q.Set("limit", strconv.Itoa(wanted-len(all.Items)))
		}
	}
}

// lookedEvery is how often a long search says how far it is.
const lookedEvery = 2 * time.Second

// sayLooked returns what says, from time to time, up to when a list was looked at, and the flag that ends it at a time.
func (a *app) sayLooked(bound string, now func() time.Time) func(time.Time) {
	last := now()
	return func(to time.Time) {
		if at := now(); at.Sub(last) >= lookedEvery {
			last = at
			a.tell("Looked at everything since " + timeOf(&to) + "; still looking (--" + bound + " ends it at a time)\n")
		}
	}
}

// showList prints a list: the document, or a row for each item.
func showList[T any](a *app, l *listing, list items, header []string, row func(T) []string) error {
	if l.json {
		return a.printJSON(list)
	}
	rows := make([][]string, len(list.Items))
	for i, raw := range list.Items {
		var item T
		if err := json.Unmarshal(raw, &item); err != nil {
			return fmt.Errorf("read list: %w", err)
		}
		rows[i] = row(item)
	}
	if err := a.printTable(header, rows); err != nil {
		return err
	}
	if list.NextCursor != "" {
		a.tell("There are more: --all shows them, or --cursor " + clean(list.NextCursor) + "\n")
	}
	return nil
}

// runList runs a command that lists: it fetches what call answers and prints it.
func runList[T any](a *app, c *connection, l *listing, header []string, row func(T) []string,
	call func(context.Context, *client.Client, client.RequestEditorFn) (*http.Response, error),
) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		api, err := c.open()
		if err != nil {
			return err
		}
		list, err := l.fetch(func(query client.RequestEditorFn) ([]byte, error) {
			return c.ask(func() (*http.Response, error) { return call(cmd.Context(), api, query) })
		}, a.sayLooked(l.bound(), time.Now))
		if err != nil {
			return err
		}
		return showList(a, l, list, header, row)
	}
}

// oneCall asks something of one record.
type oneCall func(context.Context, *client.Client, uuid.UUID) (*http.Response, error)

// aboutOne makes a command that asks something of the record that its argument names; the answer is printed as the fields of a T.
func aboutOne[T any](a *app, c *connection, argument string, cmd *cobra.Command, fields func(T) [][2]string, call oneCall) *cobra.Command {
	var asJSON bool
	cmd.Use += " " + argument
	cmd.Args = args(argument)
	jsonFlag(cmd, &asJSON)
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		raw, err := c.askOne(cmd.Context(), given[0], call)
		if err != nil {
			return err
		}
		return showOne(a, raw, asJSON, fields)
	}
	return cmd
}

// deleteOne makes a command that deletes the record that its argument names.
func deleteOne(c *connection, argument string, cmd *cobra.Command, call oneCall) *cobra.Command {
	cmd.Use = "delete " + argument
	cmd.Args = args(argument)
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		_, err := c.askOne(cmd.Context(), given[0], call)
		return err
	}
	return cmd
}

// askOne asks something of the record that an argument names, and returns the answer.
func (c *connection) askOne(ctx context.Context, argument string, call oneCall) ([]byte, error) {
	id, err := parseID(argument)
	if err != nil {
		return nil, err
	}
	api, err := c.open()
	if err != nil {
		return nil, err
	}
	return c.ask(func() (*http.Response, error) { return call(ctx, api, id) })
}

// bodyCall sends a body.
type bodyCall func(context.Context, *client.Client, io.Reader) (*http.Response, error)

// send makes a body of a document, sends it and returns the answer.
func (c *connection) send(ctx context.Context, document any, call bodyCall) ([]byte, error) {
	api, err := c.open()
	if err != nil {
		return nil, err
	}
	body, err := jsonBody(document)
	if err != nil {
		return nil, err
	}
	return c.ask(func() (*http.Response, error) { return call(ctx, api, body) })
}

// showOne prints a record: the document, or its fields.
func showOne[T any](a *app, raw []byte, asJSON bool, fields func(T) [][2]string) error {
	if asJSON {
		return a.printJSON(raw)
	}
	var record T
	if err := json.Unmarshal(raw, &record); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return a.printFields(fields(record)...)
}
