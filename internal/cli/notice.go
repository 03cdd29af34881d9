package cli

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/client"
)

func (a *app) noticesCommand() *cobra.Command {
	group := makeGroup(&cobra.Command{
		Use:     "notices",
		Aliases: []string{"notice"},
		Short:   "List what operators were told",
		Long: `A notice tells operators that a webhook fails, or works again. It goes to each webhook whose purpose is notices
(hookswitch webhooks create --purpose notices), and is kept here also when there is none.

The server and the key come from ` + serverEnv + ` and ` + keyEnv + ` (or ` + adminKeyEnv + `; ` + tokenEnv + ` for a token), or from flags.`,
		Example: "  hookswitch notices list\n  hookswitch webhooks create --purpose notices --url mailto:ops@example.com",
	})
	c := a.connectionFlags(group)
	group.AddCommand(a.listNotices(c))
	return group
}

func (a *app) listNotices(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List notices, newest first",
		Long: `List notices, newest first: what each was about, how often that happened since the one before of its kind, and to how many
webhooks it was delivered. --json shows them as they were sent, with the command to run next.`,
		Example: "  hookswitch notices list --type delivery.exhausted\n  hookswitch notices list --webhook 0190a1b2-0000-7000-8000-000000000000 --all --json",
		Args:    args(),
	}
	l := listFlags(
		cmd,
		filter{"type", "type", "delivery.exhausted, webhook.failing, webhook.circuitOpened, webhook.circuitClosed, webhook.disabled or backlog.growing"},
		filter{"webhook", "webhookId", "the id of the webhook that they are about"},
	)
	cmd.RunE = runList(a, c, l, []string{"time", "type", "webhook", "count", "delivered", "message"}, noticeRow,
		func(ctx context.Context, api *client.Client, query client.RequestEditorFn) (*http.Response, error) {
			return api.ListNotices(ctx, nil, query)
		})
	return cmd
}

// noticeTypePrefix is the part of a notice's type that all have.
const noticeTypePrefix = "io.hookswitch."

func noticeRow(r client.NoticeRecord) []string {
	n, delivered := r.Notice, 0
	for _, d := range r.Deliveries {
		if d.State == client.DeliveryStateDelivered {
			delivered++
		}
	}
	return []string{
		timeOf(&n.Time), strings.TrimPrefix(n.Type, noticeTypePrefix), n.Subject.String(), fmt.Sprint(n.Data.Count),
		fmt.Sprintf("%d of %d", delivered, len(r.Deliveries)), n.Data.Message,
	}
}
