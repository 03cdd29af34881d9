package cli

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/client"
)

func (a *app) deliveriesCommand() *cobra.Command {
	group := makeGroup(&cobra.Command{
		Use:     "deliveries",
		Aliases: []string{"delivery"},
		Short:   "List, get and replay deliveries",
		Long: `A delivery is one event on its way to one webhook: pending, delivered, exhausted (its attempts are used up) or held (its webhook
is disabled or its circuit is open).

The server and the key come from ` + serverEnv + ` and ` + keyEnv + ` (or ` + adminKeyEnv + `; ` + tokenEnv + ` for a token), or from flags.`,
		Example: "  hookswitch deliveries list --state exhausted\n  hookswitch deliveries get 0190a1b2-0000-7000-8000-000000000000",
	})
	c := a.connectionFlags(group)
	group.AddCommand(a.listDeliveries(c), a.getDelivery(c), a.replayDelivery(c))
	return group
}

func (a *app) listDeliveries(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List deliveries, newest first",
		Long: `List deliveries, newest first, with the outcome of the last attempt. All filters can be combined; --status and --failure look at all
attempts of a delivery, not only at the last. What is rare may take a while to find among much: --from and --to narrow it down.`,
		Example: `  hookswitch deliveries list --state exhausted --all
  hookswitch deliveries list --failure timeout --from 24h
  hookswitch deliveries list --interaction 8e09e19f-b8ba-4db0-b6e7-dfc8a7776176 --json`,
		Args: args(),
	}
	l := listFlags(
		cmd,
		filter{"state", "state", "pending, delivered, exhausted or held"},
		filter{"webhook", "webhookId", "the id of the webhook"},
		filter{"interaction", "interactionId", "the id of the interaction"},
		filter{"session", "sessionId", "the id of the conversation that its interaction belongs to"},
		filter{"event", "event", "STARTED or FINISHED"},
		filter{"media", "mediaType", "chat or email"},
		filter{"status", "status", "the HTTP status that any attempt was answered with"},
		filter{"failure", "failure", "what any attempt failed by: status, redirect, timeout, dns, refused, broken, tls, blocked or request"},
		filter{"from", "from", "created at this time or later, as 2026-11-22T16:00:00Z, or how long ago, as 24h"},
		filter{"to", "to", "created before this time, or how long ago"},
	)
	cmd.RunE = runList(a, c, l, []string{"id", "webhook", "event", "interaction", "state", "attempts", "created", "last attempt"}, deliveryRow,
		func(ctx context.Context, api *client.Client, query client.RequestEditorFn) (*http.Response, error) {
			return api.ListDeliveries(ctx, nil, query)
		})
	return cmd
}

func (a *app) getDelivery(c *connection) *cobra.Command {
	return aboutOne(a, c, "delivery-id", &cobra.Command{
		Use: "get", Short: "Show a delivery with all its attempts",
		Long:    "Show a delivery with all its attempts: when each was made, how long it took, on what, and what the receiver answered.",
		Example: "  hookswitch deliveries get 0190a1b2-0000-7000-8000-000000000000",
	}, deliveryFields, func(ctx context.Context, api *client.Client, id uuid.UUID) (*http.Response, error) {
		return api.GetDelivery(ctx, id, nil)
	})
}

func (a *app) replayDelivery(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "replay", Short: "Deliver again",
		Long: `Give a delivered or exhausted delivery a new budget of attempts. The body and the operation id stay the same, so the receiver can
tell the duplicate. One that is still pending is a conflict (exit code 4). ` + "`hookswitch replay`" + ` makes many again.`,
		Example: "  hookswitch deliveries replay 0190a1b2-0000-7000-8000-000000000000",
	}
	key := idempotencyFlag(cmd)
	return aboutOne(a, c, "delivery-id", cmd, deliveryFields, func(ctx context.Context, api *client.Client, id uuid.UUID) (*http.Response, error) {
		return api.ReplayDelivery(ctx, id, nil, key())
	})
}

func deliveryRow(d client.Delivery) []string {
	last := ""
	if d.LastAttempt != nil {
		last = outcomeOf(*d.LastAttempt)
	}
	return []string{
		d.Id.String(), d.WebhookId.String(), string(d.Event), d.InteractionId.String(), string(d.State), fmt.Sprint(d.AttemptsMade), timeOf(&d.CreatedAt), last,
	}
}

func deliveryFields(d client.Delivery) [][2]string {
	waits := ""
	if d.WaitsFor != nil {
		waits = d.WaitsFor.String() + " (its STARTED)"
	}
	fields := [][2]string{
		{"id", d.Id.String()},
		{"event", string(d.Event)},
		{"interaction", d.InteractionId.String()},
		{"webhook", d.WebhookId.String()},
		{"operation", d.OperationId.String()},
		{"state", string(d.State)},
		{"waits for", waits},
		{"created", timeOf(&d.CreatedAt)},
		{"next attempt", timeOf(d.NextAttemptAt)},
		{"delivered", timeOf(d.DeliveredAt)},
	}
	if d.Attempts != nil {
		for _, attempt := range *d.Attempts {
			fields = append(fields, [2]string{
				fmt.Sprintf("attempt %d", attempt.Number),
				timeOf(&attempt.StartedAt) + "  " + outcomeOf(attempt) + " in " + attempt.Duration + quoteResponse(attempt),
			}, [2]string{"  spent on", timingOf(attempt)})
		}
	}
	return fields
}

// testFields are the fields of the answer to a test.
func testFields(t client.TestResult) [][2]string {
	return [][2]string{
		{"outcome", outcomeOf(t.Attempt)}, {"took", t.Attempt.Duration}, {"spent on", timingOf(t.Attempt)}, {"answered", strings.TrimPrefix(quoteResponse(t.Attempt), ": ")},
	}
}

// timingOf says what an attempt spent its time on, and whether other events were in its POST; nothing where none of it is known.
func timingOf(t client.Attempt) string {
	var words []string
	if spent := t.Timing; spent != nil {
		for _, part := range []struct {
			name string
			took *string
		}{{"DNS", spent.Dns}, {"connect", spent.Connect}, {"TLS", spent.Tls}, {"first byte after", spent.FirstByte}} {
			if part.took != nil {
				words = append(words, part.name+" "+*part.took)
			}
		}
		if spent.Connect == nil && spent.FirstByte != nil {
			words = append([]string{"a connection that was there"}, words...)
		}
	}
	if t.Events != nil && *t.Events > 1 {
		words = append(words, fmt.Sprintf("%d events in the POST", *t.Events))
	}
	return strings.Join(words, ", ")
}

// outcomeOf says in a few words what came of an attempt.
func outcomeOf(t client.Attempt) string {
	var words []string
	if t.Failure == nil {
		words = append(words, "acknowledged")
	} else {
		words = append(words, string(*t.Failure))
	}
	if t.Status != nil && *t.Status != 0 {
		words = append(words, fmt.Sprint(*t.Status))
	}
	if t.Error != nil && *t.Error != "" {
		words = append(words, "("+*t.Error+")")
	}
	return strings.Join(words, " ")
}

// responseRunesMax is how much of a response is shown in a line; --json shows all that was kept.
const responseRunesMax = 200

func quoteResponse(t client.Attempt) string {
	if t.Response == nil {
		return ""
	}
	runes := []rune(strings.TrimSpace(*t.Response)) // many servers end a body with a line feed
	if len(runes) == 0 {
		return ""
	}
	if len(runes) > responseRunesMax {
		return ": " + string(runes[:responseRunesMax]) + "…"
	}
	return ": " + string(runes)
}
