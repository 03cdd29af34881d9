package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/client"
	"github.com/hookswitch/hookswitch/internal/config"
)

const replayLong = `Make many deliveries of one webhook again, after its receiver was down: the exhausted ones of a range of time, or the delivered
ones too. The bodies and operation ids stay the same, so a receiver can tell duplicates, and a FINISHED waits for its STARTED.

The server does it, beside all its other work: this command shows how far it is, and may be left. The replay survives restarts; pause, resume
and cancel steer it. --dry-run counts and changes nothing. Times are RFC 3339, or how long ago: --from 24h.

The server and the key come from ` + serverEnv + ` and ` + keyEnv + ` (or ` + adminKeyEnv + `; ` + tokenEnv + ` for a token), or from flags.`

// replayLookEvery is how often a replay that somebody watches is looked at.
const replayLookEvery = 500 * time.Millisecond

func (a *app) replayCommand() *cobra.Command {
	cmd := makeGroup(&cobra.Command{
		Use: "replay", Aliases: []string{"replays"},
		Short: "Make many deliveries of a webhook again, and watch, pause, resume or cancel that",
		Long:  replayLong,
		Example: `  hookswitch replay --webhook 0190a1b2-0000-7000-8000-000000000000 --from 24h --dry-run
  hookswitch replay --webhook 0190a1b2-0000-7000-8000-000000000000 --from 2026-11-22T16:00:00Z --to 2026-11-22T18:00:00Z --rate 100
  hookswitch replay pause 0190a1b2-0000-7000-8000-000000000001`,
	})
	c := a.connectionFlags(cmd)
	cmd.AddCommand(
		a.listReplays(c),
		aboutOne(a, c, "replay-id", &cobra.Command{
			Use: "show", Short: "Show a replay", Long: "Show a replay: how far it is, and what it has done so far.",
			Example: "  hookswitch replay show 0190a1b2-0000-7000-8000-000000000001 --json",
		}, replayFields, func(ctx context.Context, api *client.Client, id uuid.UUID) (*http.Response, error) {
			return api.GetReplay(ctx, id, nil)
		}),
		a.steerReplay(c, "pause", "Pause a replay", "Pause a running replay. Nothing more is replayed; what is pending by then goes out.",
			func(ctx context.Context, api *client.Client, id uuid.UUID, key client.RequestEditorFn) (*http.Response, error) {
				return api.PauseReplay(ctx, id, nil, key)
			}),
		a.steerReplay(c, "resume", "Resume a replay", "Resume a paused replay. It goes on where it was.",
			func(ctx context.Context, api *client.Client, id uuid.UUID, key client.RequestEditorFn) (*http.Response, error) {
				return api.ResumeReplay(ctx, id, nil, key)
			}),
		a.steerReplay(c, "cancel", "Cancel a replay", "Cancel a replay. Nothing more is replayed; what is pending by then goes out.",
			func(ctx context.Context, api *client.Client, id uuid.UUID, key client.RequestEditorFn) (*http.Response, error) {
				return api.CancelReplay(ctx, id, nil, key)
			}),
	)
	a.startReplay(cmd, c)
	return cmd
}

// replayFlags are what a replay is to be about.
type replayFlags struct {
	webhook, from, to         string
	states, events, media     []string
	rate                      int
	dryRun, detached, printed bool
}

// startReplay makes the command itself start a replay.
func (a *app) startReplay(cmd *cobra.Command, c *connection) {
	var f replayFlags
	flags := cmd.Flags()
	flags.StringVar(&f.webhook, "webhook", "", "the `id` of the webhook")
	flags.StringVar(&f.from, "from", "", "the first `time` of events, or how long ago, as 24h")
	flags.StringVar(&f.to, "to", "", "the `time` before which events occurred, or how long ago (default now)")
	flags.StringSliceVar(&f.states, "state", nil, "exhausted, delivered or both, with a comma between them (default exhausted)")
	flags.StringSliceVar(&f.events, "event", nil, "only these events: STARTED, FINISHED")
	flags.StringSliceVar(&f.media, "media-type", nil, "only these media types: chat, email")
	flags.IntVar(&f.rate, "rate", 0, "how many deliveries per second at most (default no limit)")
	flags.BoolVar(&f.dryRun, "dry-run", false, "only count")
	flags.BoolVar(&f.detached, "detach", false, "do not wait for the end")
	jsonFlag(cmd, &f.printed)
	key := idempotencyFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().NFlag() == 0 {
			return cmd.Help()
		}
		if f.webhook == "" || f.from == "" {
			return usageErrorf("replay needs --webhook ID and --from TIME")
		}
		document, err := f.document(time.Now(), cmd.Flags().Changed("rate"))
		if err != nil {
			return err
		}
		raw, err := c.send(cmd.Context(), document, func(ctx context.Context, api *client.Client, body io.Reader) (*http.Response, error) {
			return api.CreateReplayWithBody(ctx, nil, contentJSON, body, key())
		})
		if err == nil && !f.detached {
			raw, err = a.watchReplay(cmd.Context(), c, raw)
		}
		if err != nil {
			return err
		}
		return showOne(a, raw, f.printed, replayFields)
	}
}

// document is the body of the request. The server judges what is in it.
func (f *replayFlags) document(now time.Time, rated bool) (map[string]any, error) {
	id, err := parseID(f.webhook)
	if err != nil {
		return nil, err
	}
	document := map[string]any{"webhookId": id, "from": ago(f.from, now)}
	if f.to != "" {
		document["to"] = ago(f.to, now)
	}
	for name, list := range map[string][]string{"states": f.states, "events": f.events, "mediaTypes": f.media} {
		if len(list) > 0 {
			document[name] = list
		}
	}
	if rated {
		document["rate"] = f.rate
	}
	if f.dryRun {
		document["dryRun"] = true
	}
	return document, nil
}

// ago turns how long ago something was into a time; any other text is one already.
func ago(text string, now time.Time) string {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d).UTC().Format(time.RFC3339Nano)
	}
	return text
}

// watchReplay shows how far a replay is until it ends or somebody pauses it, and returns it as it is then.
func (a *app) watchReplay(ctx context.Context, c *connection, raw []byte) ([]byte, error) {
	api, err := c.open()
	if err != nil {
		return nil, err
	}
	log, err := a.logger(config.Log{Level: "info", Format: config.LogText})
	if err != nil {
		return nil, err
	}
	p := &replayProgress{app: a, log: log, began: time.Now()}
	defer p.end()
	tick := time.NewTicker(replayLookEvery)
	defer tick.Stop()
	for {
		var r client.Replay
		if err := json.Unmarshal(raw, &r); err != nil {
			return nil, fmt.Errorf("read answer: %w", err)
		}
		p.tell(&r)
		if r.State != client.ReplayStateRunning {
			return raw, p.verdict(&r)
		}
		select {
		case <-ctx.Done():
			p.leave(r.Id)
			return raw, nil
		case <-tick.C:
		}
		next, err := c.ask(func() (*http.Response, error) { return api.GetReplay(ctx, r.Id, nil) })
		if err != nil {
			p.leave(r.Id)
			if ctx.Err() != nil {
				return raw, nil
			}
			return nil, err
		}
		raw = next
	}
}

// replayProgress is how far a replay is, for whoever waits: a bar on a terminal, else a line every few seconds.
type replayProgress struct {
	app   *app
	log   *slog.Logger
	began time.Time
	// shown is when something was shown last, and open whether the bar's line is not ended yet.
	shown time.Time
	open  bool
}

func (p *replayProgress) tell(r *client.Replay) {
	now := time.Now()
	last := r.State != client.ReplayStateRunning
	switch {
	case p.app.StderrTerminal:
		p.open = !last
		p.app.tell(replayBar(r, rate(r.Matched, now.Sub(p.began)), last))
	case p.shown.IsZero():
		p.shown = now
	case now.Sub(p.shown) >= progressLogEvery:
		p.shown = now
		p.log.Info("replaying", "progress", r.Progress, "matched", r.Matched, "replayed", r.Replayed, "skipped", r.Skipped)
	}
}

// replayBar draws a replay over what was drawn of it before, as bar does.
func replayBar(r *client.Replay, speed int64, last bool) string {
	verb, end := "replay", ""
	if r.DryRun != nil && *r.DryRun {
		verb = "count "
	}
	if last {
		end = "\n"
	}
	full := int(r.Progress * progressCells)
	return fmt.Sprintf("\r%s [%s%s] %3d %%, %d matched, %d replayed, %d skipped, %d/s\x1b[K%s", verb, strings.Repeat("=", full),
		strings.Repeat(" ", progressCells-full), int(r.Progress*100), r.Matched, r.Replayed, r.Skipped, speed, end)
}

// end leaves the cursor at the beginning of a line.
func (p *replayProgress) end() {
	if p.open {
		p.app.tell("\n")
		p.open = false
	}
}

// leave says what becomes of a replay that nobody watches any more.
func (p *replayProgress) leave(id uuid.UUID) {
	p.end()
	p.app.tell(fmt.Sprintf("The replay goes on without this command. To see how far it is: hookswitch replay show %s\n"+
		"To stop it for a while: hookswitch replay pause %s\n", id, id))
}

// verdict says what to do about a replay that somebody stopped; it is no failure of this command.
func (p *replayProgress) verdict(r *client.Replay) error {
	switch r.State {
	case client.ReplayStatePaused:
		p.app.tell(fmt.Sprintf("Somebody paused the replay. To let it go on: hookswitch replay resume %s\n", r.Id))
	case client.ReplayStateCancelled:
		return fmt.Errorf("the replay %s was cancelled after %d deliveries", r.Id, r.Replayed)
	case client.ReplayStateRunning, client.ReplayStateFinished:
	}
	return nil
}

func (a *app) listReplays(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List replays, newest first",
		Long:    "List the replays of the contact centre, newest first, with how far each is.",
		Example: "  hookswitch replay list\n  hookswitch replay list --all --json",
		Args:    args(),
	}
	l := listFlags(cmd)
	cmd.RunE = runList(a, c, l, []string{"id", "state", "progress", "matched", "replayed", "skipped", "from", "to", "created", "by"}, replayRow,
		func(ctx context.Context, api *client.Client, query client.RequestEditorFn) (*http.Response, error) {
			return api.ListReplays(ctx, nil, query)
		})
	return cmd
}

// replayCall asks something of one replay.
type replayCall func(context.Context, *client.Client, uuid.UUID, client.RequestEditorFn) (*http.Response, error)

func (a *app) steerReplay(c *connection, verb, short, long string, call replayCall) *cobra.Command {
	cmd := &cobra.Command{Use: verb, Short: short, Long: long, Example: "  hookswitch replay " + verb + " 0190a1b2-0000-7000-8000-000000000001"}
	key := idempotencyFlag(cmd)
	return aboutOne(a, c, "replay-id", cmd, replayFields, func(ctx context.Context, api *client.Client, id uuid.UUID) (*http.Response, error) {
		return call(ctx, api, id, key())
	})
}

func replayRow(r client.Replay) []string {
	return []string{
		r.Id.String(), replayState(&r), share(r.Progress), fmt.Sprint(r.Matched), fmt.Sprint(r.Replayed), fmt.Sprint(r.Skipped),
		timeOf(&r.From), timeOf(&r.To), timeOf(&r.CreatedAt), r.CreatedBy,
	}
}

func replayFields(r client.Replay) [][2]string {
	return [][2]string{
		{"id", r.Id.String()},
		{"webhook", r.WebhookId.String()},
		{"state", replayState(&r)},
		{"progress", share(r.Progress)},
		{"matched", fmt.Sprint(r.Matched)},
		{"replayed", fmt.Sprint(r.Replayed)},
		{"skipped", fmt.Sprint(r.Skipped)},
		{"from", timeOf(&r.From)},
		{"to", timeOf(&r.To)},
		{"states", joined(&r.States, "none")},
		{"events", joined(r.Events, "all")},
		{"media types", joined(r.MediaTypes, "all")},
		{"rate", rateOf(r.Rate)},
		{"by", r.CreatedBy},
		{"created", timeOf(&r.CreatedAt)},
		{"ended", timeOf(r.FinishedAt)},
	}
}

// replayState is a replay's state, and whether it only counts.
func replayState(r *client.Replay) string {
	if r.DryRun != nil && *r.DryRun {
		return string(r.State) + " (dry run)"
	}
	return string(r.State)
}

func share(part float64) string { return fmt.Sprintf("%.1f %%", part*100) }
