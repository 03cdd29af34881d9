package cli

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/client"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// keyID is the argument of the commands about one key.
const keyID = "key-id"

func (a *app) keysCommand() *cobra.Command {
	group := makeGroup(&cobra.Command{
		Use:     "keys",
		Aliases: []string{"key"},
		Short:   "Create, list, get, update, enable, disable, expire and delete API keys; rotate the master key",
		Long: `A key belongs to one contact centre and has permissions there; an admin key belongs to none and may do everything in all of them.
A key is shown once, when it is created: only its hash is stored.
The master key is another thing: it seals the secrets of webhooks in the store (master, new-master, rotate-master).

These commands need a key with the permission admin; --admin needs an admin key. The server and the key come from
` + serverEnv + ` and ` + keyEnv + ` (or ` + adminKeyEnv + `), or from flags.`,
		Example: "  hookswitch keys create CRM --permissions webhooks,deliveries --expires-in 2160h\n  hookswitch keys list",
	})
	c := a.connectionFlags(group)
	group.AddCommand(
		a.createKey(c), a.listKeys(c), a.updateKey(c), a.expireKey(c), a.deleteKey(c),
		aboutKey(a, c, "get", "Show a key", "Show what a key may do, and when it was last used. The key itself is not known to the server.",
			func(ctx context.Context, api *client.Client, id uuid.UUID, _ client.RequestEditorFn) (*http.Response, error) {
				return api.GetKey(ctx, id, nil)
			}),
		aboutKey(a, c, "enable", "Enable a key", "Enable a key that was disabled. One that has expired stays so.",
			func(ctx context.Context, api *client.Client, id uuid.UUID, once client.RequestEditorFn) (*http.Response, error) {
				return api.EnableKey(ctx, id, nil, once)
			}),
		aboutKey(a, c, "disable", "Disable a key",
			"Disable a key: it opens nothing until it is enabled. The last admin key that never expires cannot be disabled (exit code 4).",
			func(ctx context.Context, api *client.Client, id uuid.UUID, once client.RequestEditorFn) (*http.Response, error) {
				return api.DisableKey(ctx, id, nil, once)
			}),
	)
	group.AddCommand(a.masterKeyCommands(c)...)
	return group
}

// aboutKey makes a command about one key.
func aboutKey(a *app, c *connection, use, short, long string,
	call func(context.Context, *client.Client, uuid.UUID, client.RequestEditorFn) (*http.Response, error),
) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Example: "  hookswitch keys " + use + " 0190a1b2-0000-7000-8000-000000000000",
	}
	once := func() client.RequestEditorFn { return withQuery(nil) } // nothing to repeat
	if use != "get" {
		once = idempotencyFlag(cmd)
	}
	return aboutOne(a, c, keyID, cmd, keyFields, func(ctx context.Context, api *client.Client, id uuid.UUID) (*http.Response, error) {
		return call(ctx, api, id, once())
	})
}

// expiryFlags adds the flags for when a key ends, and returns what puts those that were given into a body. The server judges them.
func expiryFlags(cmd *cobra.Command, in, at string) func(document map[string]any) error {
	cmd.Flags().String(in, "", "in how long it ends, for example 2160h for 90 days")
	cmd.Flags().String(at, "", "when it ends, as 2026-11-22T16:00:00Z")
	return func(document map[string]any) error {
		for flag, field := range map[string]string{in: "expiresIn", at: "expiresAt"} {
			if f := cmd.Flags().Lookup(flag); f.Changed {
				document[field] = f.Value.String()
			}
		}
		return exclusive(cmd, in, at)
	}
}

func (a *app) createKey(c *connection) *cobra.Command {
	var asJSON, admin bool
	var permissions []string
	cmd := &cobra.Command{
		Use: "create name", Short: "Create a key, and show it once",
		Long: `Create a key of the contact centre. Its name is for people and for the audit log. The key is in the answer, and cannot be shown
again. With --admin it is an admin key, which may do everything in all contact centres.

Permissions: interactions:write, interactions:read (or interactions:read:chat, interactions:read:email), webhooks, deliveries,
events:read, and admin, which is all of them and the administration of the contact centre.`,
		Example: `  hookswitch keys create CRM --permissions webhooks,deliveries --expires-in 2160h
  hookswitch keys create operations --admin`,
		Args: args("name"),
	}
	jsonFlag(cmd, &asJSON)
	once := idempotencyFlag(cmd)
	expiry := expiryFlags(cmd, "expires-in", "expires-at")
	permissionsFlag(cmd, &permissions, "what it may do, with commas between them")
	cmd.Flags().BoolVar(&admin, "admin", false, "make an admin key")
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		if !admin && len(permissions) == 0 {
			return usageErrorf("say with --permissions what the key may do")
		}
		document := map[string]any{"name": given[0]}
		if err := expiry(document); err != nil {
			return err
		}
		if admin {
			document["admin"] = true
		}
		if len(permissions) > 0 {
			document["permissions"] = permissions
		}
		body, err := jsonBody(document)
		if err != nil {
			return err
		}
		api, err := c.open()
		if err != nil {
			return err
		}
		raw, err := c.ask(func() (*http.Response, error) {
			return api.CreateKeyWithBody(cmd.Context(), nil, contentJSON, body, once())
		})
		if err != nil {
			return err
		}
		if err := showOne(a, raw, asJSON, keyFields); err != nil {
			return err
		}
		a.tell("Keep the key now: it cannot be shown again.\n")
		return nil
	}
	return cmd
}

// permissionsFlag adds the flag for permissions, which a shell completes.
func permissionsFlag(cmd *cobra.Command, permissions *[]string, usage string) {
	const name = "permissions"
	cmd.Flags().StringSliceVar(permissions, name, nil, usage)
	known := make([]string, 0, len(hook.Permissions()))
	for _, p := range hook.Permissions() {
		known = append(known, string(p))
	}
	err := cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(known, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag was added above
	}
}

// updateKey leaves the end of a key to expire, but for taking it away.
func (a *app) updateKey(c *connection) *cobra.Command {
	var permissions []string
	cmd := &cobra.Command{
		Use: "update", Short: "Change the name, the permissions or the end of a key",
		Long: `Change what was given. --permissions are all that the key may do from now on. --expires-at is another end, also for a key that has
expired, and --never-expires takes the end away. The last admin key that never expires cannot get an end (exit code 4).`,
		Example: `  hookswitch keys update 0190a1b2-0000-7000-8000-000000000000 --permissions webhooks
  hookswitch keys update 0190a1b2-0000-7000-8000-000000000000 --never-expires`,
	}
	flags := cmd.Flags()
	name := flags.String("name", "", "for people, and for the audit log")
	permissionsFlag(cmd, &permissions, "what it may do, all of it, with commas between them")
	at := flags.String("expires-at", "", "when it ends, as 2026-11-22T16:00:00Z")
	never := flags.Bool("never-expires", false, "it does not end by itself")
	return aboutOne(a, c, keyID, cmd, keyFields, func(ctx context.Context, api *client.Client, id uuid.UUID) (*http.Response, error) {
		if err := exclusive(cmd, "expires-at", "never-expires"); err != nil {
			return nil, err
		}
		document := map[string]any{}
		for flag, value := range map[string]any{"name": *name, "permissions": permissions} {
			if flags.Changed(flag) {
				document[flag] = value
			}
		}
		if flags.Changed("expires-at") {
			document["expiresAt"] = *at
		}
		if *never {
			document["expiresAt"] = nil
		}
		if len(document) == 0 {
			return nil, usageErrorf("say what to change: --name, --permissions, --expires-at or --never-expires")
		}
		body, err := jsonBody(document)
		if err != nil {
			return nil, err
		}
		return api.UpdateKeyWithBody(ctx, id, nil, contentJSON, body)
	})
}

func (a *app) listKeys(c *connection) *cobra.Command {
	var admin bool
	cmd := &cobra.Command{
		Use: "list", Short: "List keys, newest first",
		Long: `List the keys of the contact centre, newest first, with what each may do and when it was last used. With --admin, the admin keys.`,
		Example: `  hookswitch keys list --all --json
  hookswitch keys list --admin`,
		Args: args(),
	}
	cmd.Flags().BoolVar(&admin, "admin", false, "list admin keys")
	run := runList(a, c, listFlags(cmd), []string{"id", "name", "permissions", "state", "expires", "last used"}, keyRow,
		func(ctx context.Context, api *client.Client, query client.RequestEditorFn) (*http.Response, error) {
			return api.ListKeys(ctx, nil, func(ctx context.Context, r *http.Request) error {
				if err := query(ctx, r); err != nil || !admin {
					return err
				}
				q := r.URL.Query()
				q.Set("scope", "server")
				return withQuery(q)(ctx, r)
			})
		})
	cmd.RunE = run
	return cmd
}

func (a *app) expireKey(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "expire", Short: "Expire a key, now or later",
		Long: `Expire a key now, or with --in or --at later: so a key that is replaced keeps working until all who use it have its successor.
The last admin key that never expires cannot expire (exit code 4).`,
		Example: `  hookswitch keys expire 0190a1b2-0000-7000-8000-000000000000
  hookswitch keys expire 0190a1b2-0000-7000-8000-000000000000 --in 24h`,
	}
	once := idempotencyFlag(cmd)
	expiry := expiryFlags(cmd, "in", "at")
	return aboutOne(a, c, keyID, cmd, keyFields, func(ctx context.Context, api *client.Client, id uuid.UUID) (*http.Response, error) {
		document := map[string]any{}
		if err := expiry(document); err != nil {
			return nil, err
		}
		body, err := jsonBody(document)
		if err != nil {
			return nil, err
		}
		return api.ExpireKeyWithBody(ctx, id, nil, contentJSON, body, once())
	})
}

func (a *app) deleteKey(c *connection) *cobra.Command {
	return deleteOne(c, keyID, &cobra.Command{
		Short: "Delete a key",
		Long: `Delete a key: it opens nothing any more. The audit log keeps what was done with it. Neither the last admin key that never expires
nor the one of the configuration can be deleted (exit code 4).`,
		Example: "  hookswitch keys delete 0190a1b2-0000-7000-8000-000000000000",
	}, func(ctx context.Context, api *client.Client, id uuid.UUID) (*http.Response, error) {
		return api.DeleteKey(ctx, id, nil)
	})
}

func keyPermissions(k client.Key) string {
	list := make([]string, len(k.Permissions))
	for i, p := range k.Permissions {
		list[i] = string(p)
	}
	text := strings.Join(list, ", ")
	if k.Admin {
		text += " of all contact centres"
	}
	return text
}

// keyState is what a key is good for at a time; the server's clock may differ a little.
func keyState(k client.Key, now time.Time) string {
	switch {
	case !k.Enabled:
		return "disabled"
	case k.ExpiresAt != nil && !k.ExpiresAt.After(now):
		return "expired"
	default:
		return "enabled"
	}
}

func keyRow(k client.Key) []string {
	return []string{k.Id.String(), k.Name, keyPermissions(k), keyState(k, time.Now()), timeOf(k.ExpiresAt), timeOf(k.UsedAt)}
}

func keyFields(k client.Key) [][2]string {
	return [][2]string{
		{"id", k.Id.String()},
		{"key", textOf(k.Key)},
		{"name", k.Name},
		{"contact centre", textOf(k.ContactCenterId)},
		{"permissions", keyPermissions(k)},
		{"state", keyState(k, time.Now())},
		{"expires", timeOf(k.ExpiresAt)},
		{"last used", timeOf(k.UsedAt)},
		{"created", timeOf(&k.CreatedAt)},
		{"changed", timeOf(k.UpdatedAt)},
	}
}
