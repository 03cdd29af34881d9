package cli

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/client"
)

func (a *app) interactionsCommand() *cobra.Command {
	group := makeGroup(&cobra.Command{
		Use:     "interactions",
		Aliases: []string{"interaction"},
		Short:   "Create, submit, accept, return, stop, list and get interactions",
		Long: `An interaction is one chat or one secure e-mail of a contact centre. Submitting it into a queue emits STARTED, stopping it
emits FINISHED; accepting and returning it emit nothing.

The server and the key come from ` + serverEnv + ` and ` + keyEnv + ` (or ` + adminKeyEnv + `; ` + tokenEnv + ` for a token), or from flags.`,
		Example: "  hookswitch interactions create --media chat --subtype InboundNew --queue support\n  hookswitch interactions list --state open",
	})
	c := a.connectionFlags(group)
	group.AddCommand(
		a.createInteraction(c), a.submitInteraction(c), a.acceptInteraction(c), a.returnInteraction(c), a.stopInteraction(c),
		a.listInteractions(c), a.getInteraction(c),
	)
	return group
}

// interactionDraft is the body of a creation.
type interactionDraft struct {
	MediaType string            `json:"mediaType"`
	Subtype   string            `json:"subtype"`
	Queue     string            `json:"queue,omitempty"`
	ID        string            `json:"id,omitempty"`
	SessionID string            `json:"sessionId,omitempty"`
	Subject   string            `json:"subject,omitempty"`
	UserData  map[string]string `json:"userData,omitempty"`
}

func (a *app) createInteraction(c *connection) *cobra.Command {
	var d interactionDraft
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create an interaction, and submit it when a queue is given",
		Long: `Create an interaction. With --queue it is submitted in the same transaction, and STARTED is emitted; without, it is NEW and
nothing is emitted before its submit. When the command ends with 0, that is on the server's disk.`,
		Example: `  hookswitch interactions create --media chat --subtype WhatsApp --queue support
  hookswitch interactions create --media email --subtype InboundNew --queue billing --subject 'Invoice 17' --user-data customer=4711`,
		Args: args(),
	}
	key := idempotencyFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		raw, err := a.changeInteraction(cmd.Context(), c, d, asJSON, func(ctx context.Context, api *client.Client, body io.Reader) (*http.Response, error) {
			return api.CreateInteractionWithBody(ctx, nil, contentJSON, body, key())
		})
		if err != nil || asJSON || d.Queue != "" {
			return err
		}
		id, err := idOf(raw)
		if err != nil {
			return err
		}
		a.tell("Nothing was sent: the interaction is NEW. Submit it with\n  hookswitch interactions submit " + clean(id) + " --queue QUEUE\n")
		return nil
	}
	flags := cmd.Flags()
	flags.StringVar(&d.MediaType, "media", "chat", "chat or email")
	flags.StringVar(&d.Subtype, "subtype", "InboundNew", "InboundNew, Outbound, SMS, WhatsApp, FacebookPublic, FacebookPrivate, TwitterPublic or TwitterPrivate")
	flags.StringVar(&d.Queue, "queue", "", "submit it into this queue")
	flags.StringVar(&d.ID, "id", "", "its id (default: a new one)")
	flags.StringVar(&d.SessionID, "session", "", "the id of the conversation that it belongs to (default: a new one)")
	flags.StringVar(&d.Subject, "subject", "", "what it is about")
	flags.StringToStringVar(&d.UserData, "user-data", nil, "texts of your own, as `key=value`")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// changeInteraction sends a body, prints the interaction that is answered and returns it as it came.
func (a *app) changeInteraction(ctx context.Context, c *connection, document any, asJSON bool, call bodyCall) ([]byte, error) {
	raw, err := c.send(ctx, document, call)
	if err != nil {
		return nil, err
	}
	return raw, showOne(a, raw, asJSON, interactionFields)
}

// transition is a command that changes one existing interaction.
type transition struct {
	use, short, long, example string
	flags                     func(*cobra.Command, map[string]string)
	call                      func(context.Context, *client.Client, uuid.UUID, io.Reader, client.RequestEditorFn) (*http.Response, error)
}

func (a *app) transitionCommand(c *connection, t transition) *cobra.Command {
	var asJSON bool
	document := map[string]string{}
	cmd := &cobra.Command{Use: t.use + " interaction-id", Short: t.short, Long: t.long, Example: t.example, Args: args("interaction-id")}
	key := idempotencyFlag(cmd)
	t.flags(cmd, document)
	jsonFlag(cmd, &asJSON)
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		id, err := parseID(given[0])
		if err != nil {
			return err
		}
		_, err = a.changeInteraction(cmd.Context(), c, document, asJSON, func(ctx context.Context, api *client.Client, body io.Reader) (*http.Response, error) {
			return t.call(ctx, api, id, body, key())
		})
		return err
	}
	return cmd
}

// field adds a flag that sets a field of a body; without the flag the field is absent, unless it has a default.
func field(cmd *cobra.Command, document map[string]string, flag, name, value, usage string) {
	if value != "" {
		document[name] = value
		usage += " (default " + value + ")"
	}
	cmd.Flags().Func(flag, usage, func(text string) error {
		document[name] = text
		return nil
	})
}

func (a *app) submitInteraction(c *connection) *cobra.Command {
	return a.transitionCommand(c, transition{
		use: "submit", short: "Submit a NEW interaction into a queue: STARTED",
		long:    "Submit a NEW interaction into a queue. This emits STARTED. In any other state it is a conflict (exit code 4).",
		example: "  hookswitch interactions submit 8e09e19f-b8ba-4db0-b6e7-dfc8a7776176 --queue support",
		flags: func(cmd *cobra.Command, document map[string]string) {
			field(cmd, document, "queue", "queue", "", "the queue")
		},
		call: func(ctx context.Context, api *client.Client, id uuid.UUID, body io.Reader, key client.RequestEditorFn) (*http.Response, error) {
			return api.SubmitInteractionWithBody(ctx, id, nil, contentJSON, body, key)
		},
	})
}

func (a *app) acceptInteraction(c *connection) *cobra.Command {
	return a.transitionCommand(c, transition{
		use: "accept", short: "Give a QUEUED interaction to an agent",
		long:    "Give a QUEUED interaction to an agent. This emits no event. In any other state it is a conflict (exit code 4).",
		example: "  hookswitch interactions accept 8e09e19f-b8ba-4db0-b6e7-dfc8a7776176 --agent a.smith",
		flags: func(cmd *cobra.Command, document map[string]string) {
			field(cmd, document, "agent", "agent", "", "who accepts it")
		},
		call: func(ctx context.Context, api *client.Client, id uuid.UUID, body io.Reader, key client.RequestEditorFn) (*http.Response, error) {
			return api.AcceptInteractionWithBody(ctx, id, nil, contentJSON, body, key)
		},
	})
}

func (a *app) returnInteraction(c *connection) *cobra.Command {
	return a.transitionCommand(c, transition{
		use: "return", short: "Return an interaction to its queue, or transfer it to another",
		long: `Put an interaction that is IN_PROCESS back into its queue, or with --queue into another one (a transfer). This emits no event.
In any other state it is a conflict (exit code 4).`,
		example: "  hookswitch interactions return 8e09e19f-b8ba-4db0-b6e7-dfc8a7776176 --queue billing",
		flags: func(cmd *cobra.Command, document map[string]string) {
			field(cmd, document, "queue", "queue", "", "another queue, for a transfer")
		},
		call: func(ctx context.Context, api *client.Client, id uuid.UUID, body io.Reader, key client.RequestEditorFn) (*http.Response, error) {
			return api.ReturnInteractionWithBody(ctx, id, nil, contentJSON, body, key)
		},
	})
}

func (a *app) stopInteraction(c *connection) *cobra.Command {
	return a.transitionCommand(c, transition{
		use: "stop", short: "Stop an interaction: FINISHED",
		long: `Stop the processing of an interaction. This emits FINISHED, once: stopping it again answers with the first outcome and emits
nothing. Stopping a NEW interaction is a conflict (exit code 4).`,
		example: "  hookswitch interactions stop 8e09e19f-b8ba-4db0-b6e7-dfc8a7776176 --reason resolved",
		flags: func(cmd *cobra.Command, document map[string]string) {
			field(cmd, document, "by", "by", "agentDesktop", "who stops it: agentDesktop or workflow")
			field(cmd, document, "reason", "reason", "", "a reason code of your own")
		},
		call: func(ctx context.Context, api *client.Client, id uuid.UUID, body io.Reader, key client.RequestEditorFn) (*http.Response, error) {
			return api.StopInteractionWithBody(ctx, id, nil, contentJSON, body, key)
		},
	})
}

func (a *app) getInteraction(c *connection) *cobra.Command {
	return aboutOne(a, c, "interaction-id", &cobra.Command{
		Use: "get", Short: "Show an interaction",
		Long:    "Show an interaction. It stays readable after it was stopped, until its retention ends.",
		Example: "  hookswitch interactions get 8e09e19f-b8ba-4db0-b6e7-dfc8a7776176 --json",
	}, interactionFields, func(ctx context.Context, api *client.Client, id uuid.UUID) (*http.Response, error) {
		return api.GetInteraction(ctx, id, nil)
	})
}

func (a *app) listInteractions(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List interactions, newest first",
		Long:    "List interactions, newest first. With --state open and --older-than it finds what was begun and never stopped.",
		Example: "  hookswitch interactions list --state open --older-than 24h --all\n  hookswitch interactions list --media email --json",
		Args:    args(),
	}
	l := listFlags(
		cmd,
		filter{"state", "state", "NEW, QUEUED, IN_PROCESS, STOPPED, or open: all but STOPPED"},
		filter{"media", "mediaType", "chat or email"},
		filter{"subtype", "subtype", "for example WhatsApp"},
		filter{"queue", "queue", "the queue"},
		filter{"session", "sessionId", "the id of the conversation"},
		filter{"created-after", "createdAfter", "created after this time, as 2026-11-22T16:00:00Z, or how long ago, as 24h"},
		filter{"created-before", "createdBefore", "created before this time, or how long ago"},
		filter{"older-than", "olderThan", "created longer ago than this, for example 24h"},
	)
	cmd.RunE = runList(a, c, l, []string{"id", "media", "subtype", "state", "queue", "created"}, interactionRow,
		func(ctx context.Context, api *client.Client, query client.RequestEditorFn) (*http.Response, error) {
			return api.ListInteractions(ctx, nil, query)
		})
	return cmd
}

func interactionRow(i client.Interaction) []string {
	return []string{i.Id.String(), string(i.MediaType), string(i.Subtype), string(i.State), textOf(i.Queue), timeOf(&i.CreatedAt)}
}

func interactionFields(i client.Interaction) [][2]string {
	fields := [][2]string{
		{"id", i.Id.String()},
		{"session", i.SessionId.String()},
		{"contact centre", i.ContactCenterId},
		{"media", string(i.MediaType)},
		{"subtype", string(i.Subtype)},
		{"state", string(i.State)},
		{"queue", textOf(i.Queue)},
		{"agent", textOf(i.Agent)},
		{"subject", textOf(i.Subject)},
		{"created", timeOf(&i.CreatedAt)},
		{"submitted", timeOf(i.SubmittedAt)},
		{"accepted", timeOf(i.AcceptedAt)},
		{"stopped", timeOf(i.StoppedAt)},
		{"stopped by", textOf(i.StoppedBy)},
		{"reason", textOf(i.StopReason)},
		{"self URI", i.SelfUri},
	}
	return fields
}

// textOf returns a text that may be absent.
func textOf[T ~string](p *T) string {
	if p == nil {
		return ""
	}
	return string(*p)
}

// timeOf returns an instant that may be absent.
func timeOf(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
