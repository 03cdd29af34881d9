package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/client"
)

func (a *app) auditCommand() *cobra.Command {
	group := makeGroup(&cobra.Command{
		Use:   "audit",
		Short: "See who changed what",
		Long: `Every change to webhooks, secrets, keys and contact centres and every replay is in the audit log, with who made it, when, and how it
was before and after. Secrets are never in it.

The server and the key come from ` + serverEnv + ` and ` + keyEnv + ` (or ` + adminKeyEnv + `; ` + tokenEnv + ` for a token), or from flags.`,
		Example: "  hookswitch audit list\n  hookswitch audit list --action webhook.delete --from 2026-11-01T00:00:00Z",
	})
	c := a.connectionFlags(group)
	group.AddCommand(a.listAudit(c))
	return group
}

func (a *app) listAudit(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List changes, newest first",
		Long: `List the changes of the contact centre, newest first, with the fields that each changed. Those that belong to no contact centre, as
of admin keys, are shown with --scope server, which needs an admin key. --json shows all of before and after.`,
		Example: `  hookswitch audit list --subject 0190a1b2-0000-7000-8000-000000000000
  hookswitch audit list --action webhook --actor 'key crm' --all --json
  hookswitch audit list --scope server`,
		Args: args(),
	}
	l := listFlags(
		cmd,
		filter{"subject", "subject", "the id of what was changed"},
		filter{"action", "action", "an action such as webhook.update, or a noun: webhook, secret, key, contactCenter, delivery, replay"},
		filter{"actor", "actor", "how the actor begins, for example admin key"},
		filter{"from", "from", "changed at this time or later, as 2026-11-22T16:00:00Z, or how long ago, as 24h"},
		filter{"to", "to", "changed before this time, or how long ago"},
		filter{"scope", "scope", "contactCenter (the default), or server for what belongs to none"},
	)
	cmd.RunE = runList(a, c, l, []string{"at", "actor", "action", "subject", "changed"}, auditRow,
		func(ctx context.Context, api *client.Client, query client.RequestEditorFn) (*http.Response, error) {
			return api.ListAudit(ctx, nil, query)
		})
	return cmd
}

func auditRow(e client.AuditEntry) []string {
	return []string{timeOf(&e.At), e.Actor, e.Action, e.Subject, difference(e.Before, e.After)}
}

// differenceRunesMax is how much of what changed is shown in a line; --json shows all of it.
const differenceRunesMax = 160

// difference says which fields changed, from what to what. Where there was nothing, or is nothing any more, it names what there is.
func difference(before, after *map[string]any) string {
	was, is := map[string]string{}, map[string]string{}
	flatten(was, "", before)
	flatten(is, "", after)
	var changes []string
	for _, name := range fieldNames(was, is) {
		old, had := was[name]
		now, has := is[name]
		switch {
		case had && has && old == now:
		case before == nil:
			changes = append(changes, name+": "+now)
		case after == nil:
			changes = append(changes, name+": "+old)
		case !had:
			changes = append(changes, name+": none -> "+now)
		case !has:
			changes = append(changes, name+": "+old+" -> none")
		case strings.HasSuffix(now, " (changed)"): // neither value is shown
			changes = append(changes, name+": changed")
		default:
			changes = append(changes, name+": "+old+" -> "+now)
		}
	}
	text := []rune(strings.Join(changes, ", "))
	if len(text) > differenceRunesMax {
		return string(text[:differenceRunesMax]) + "…"
	}
	return string(text)
}

// fieldNames returns the names of either, sorted; the URL comes first, because it says most about a whole webhook.
func fieldNames(one, other map[string]string) []string {
	all := maps.Clone(one)
	maps.Copy(all, other)
	place := func(name string) string {
		if name == "url" {
			return ""
		}
		return name
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b string) int { return cmp.Compare(place(a), place(b)) })
}

// flatten puts the fields of a document and of the objects in it under their paths.
func flatten(to map[string]string, at string, document *map[string]any) {
	if document == nil {
		return
	}
	for name, value := range *document {
		switch v := value.(type) {
		case map[string]any:
			flatten(to, at+name+".", &v)
		case string:
			to[at+name] = v
		default:
			raw, err := json.Marshal(v)
			if err != nil { // it was read from JSON
				raw = []byte("?")
			}
			to[at+name] = string(raw)
		}
	}
}
