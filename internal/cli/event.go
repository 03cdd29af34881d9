package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/client"
)

const (
	// followWait is how long the server may wait for an event before it answers that there is none.
	followWait = 30 * time.Second
	// followPauseFirst and followPauseMax are how long is waited before a server that did not answer is asked again.
	followPauseFirst = time.Second
	followPauseMax   = 30 * time.Second
	// eventsPageMax is how many events one answer holds at most.
	eventsPageMax = 200
)

// eventOptions are the flags of `events`.
type eventOptions struct {
	after  string
	follow bool
	limit  int
	json   bool
}

func (a *app) eventsCommand() *cobra.Command {
	var o eventOptions
	cmd := &cobra.Command{
		Use:     "events",
		Aliases: []string{"event"},
		Short:   "Read the events of a contact centre, in order; follow those that come",
		Long: `Read what has happened, oldest first, in the order in which it was committed: what a receiver missed while it was down. Each
event has a cursor: --after goes on behind it, and nothing that is still kept is missed. Without --after it begins with the oldest that
is kept, with --after latest at the end.

With --follow it waits for more, until Ctrl-C or until --limit events were printed. A server that does not answer is asked again,
with the last cursor.

The server and the key come from ` + serverEnv + ` and ` + keyEnv + ` (or ` + adminKeyEnv + `; ` + tokenEnv + ` for a token), or from flags.`,
		Example: `  hookswitch events --limit 200
  hookswitch events --follow --after latest
  hookswitch events --follow --after "$(cat cursor)" --json | while read -r event; do handle "$event" && jq -r .cursor <<<"$event" >cursor; done`,
		Args: args(),
	}
	c := a.connectionFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.after, "after", "", "go on behind the event with this `cursor`, or latest: at the end")
	flags.BoolVar(&o.follow, "follow", false, "wait for more")
	flags.IntVar(&o.limit, "limit", 0, "how many at most, 1 to 200 without --follow (default 50; with --follow: no limit)")
	flags.BoolVar(&o.json, "json", false, "print the JSON document; with --follow one object per line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.limit < 0 || cmd.Flags().Changed("limit") && o.limit == 0 {
			return usageErrorf("--limit must be 1 or more")
		}
		api, err := c.open()
		if err != nil {
			return err
		}
		f := &eventFollower{app: a, connection: c, api: api, options: o}
		if !o.follow {
			return f.once(cmd.Context())
		}
		return f.follow(cmd.Context())
	}
	return cmd
}

// eventFollower prints events and remembers how far it has come.
type eventFollower struct {
	*app
	connection *connection
	api        *client.Client
	options    eventOptions
}

// fetch reads what comes after the cursor.
func (f *eventFollower) fetch(ctx context.Context, limit int, wait time.Duration) (raw []byte, page items, err error) {
	q := url.Values{}
	if f.options.after != "" {
		q.Set("after", f.options.after)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	if wait > 0 {
		q.Set("wait", wait.String())
	}
	raw, err = f.connection.ask(func() (*http.Response, error) { return f.api.ListEvents(ctx, nil, withQuery(q)) })
	if err != nil {
		return nil, items{}, err
	}
	if err := json.Unmarshal(raw, &page); err != nil {
		return nil, items{}, fmt.Errorf("read list: %w", err)
	}
	return raw, page, nil
}

// once prints one page.
func (f *eventFollower) once(ctx context.Context) error {
	raw, page, err := f.fetch(ctx, f.options.limit, 0)
	if err != nil {
		return err
	}
	if f.options.json {
		return f.printJSON(raw)
	}
	if err := f.show(page.Items); err != nil {
		return err
	}
	f.tell("Go on with --after " + clean(page.NextCursor) + "\n")
	return nil
}

// follow prints events as they come, until the context ends or the limit is reached.
func (f *eventFollower) follow(ctx context.Context) error {
	pause := followPauseFirst
	for left := f.options.limit; f.options.limit == 0 || left > 0; {
		limit := eventsPageMax
		if f.options.limit > 0 {
			limit = min(limit, left)
		}
		began := time.Now()
		_, page, err := f.fetch(ctx, limit, followWait)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // Ctrl-C is how it ends
		case err != nil && !worthAnother(err):
			return err
		case err != nil:
			f.tell(fmt.Sprintf("%v; asking again in %v\n", err, pause))
			if !waitFor(ctx, pause) {
				return nil
			}
			pause = min(2*pause, followPauseMax)
			continue
		}
		pause = followPauseFirst
		if err := f.show(page.Items); err != nil {
			return err
		}
		left -= len(page.Items)
		f.options.after = page.NextCursor
		if len(page.Items) == 0 && time.Since(began) < followPauseFirst && !waitFor(ctx, followPauseFirst) {
			return nil // a server that is about to end does not wait
		}
	}
	return nil
}

// worthAnother reports whether the same request may succeed later.
func worthAnother(err error) bool {
	return isUnavailable(err) || status(http.StatusInternalServerError)(err)
}

// waitFor waits; false means that the context ended first.
func waitFor(ctx context.Context, d time.Duration) bool {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-wait.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// show prints a line for each event.
func (f *eventFollower) show(list []json.RawMessage) error {
	var b bytes.Buffer
	for _, raw := range list {
		if f.options.json {
			if err := json.Compact(&b, raw); err != nil {
				return fmt.Errorf("read event: %w", err)
			}
			b.WriteByte('\n')
			continue
		}
		var e client.Event
		if err := json.Unmarshal(raw, &e); err != nil {
			return fmt.Errorf("read event: %w", err)
		}
		fmt.Fprintf(&b, "%s  %-8s  %s/%s  %s  now %s  %s\n", timeOf(&e.OccurredAt), clean(string(e.Event)), clean(string(e.Interaction.MediaType)),
			clean(string(e.Interaction.Subtype)), e.Interaction.Id, clean(string(e.Interaction.State)), clean(e.Cursor))
	}
	return f.print(b.String())
}
