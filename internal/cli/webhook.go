package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/client"
)

func (a *app) webhooksCommand() *cobra.Command {
	group := makeGroup(&cobra.Command{
		Use:     "webhooks",
		Aliases: []string{"webhook"},
		Short:   "Create, list, get, update, delete, test, enable and disable webhooks, rotate their secrets",
		Long: `A webhook is the URL of a receiver with its secret and settings. Each event of an interaction is delivered to every webhook
that wants it.

The server and the key come from ` + serverEnv + ` and ` + keyEnv + ` (or ` + adminKeyEnv + `; ` + tokenEnv + ` for a token), or from flags.`,
		Example: "  hookswitch webhooks create --url https://receiver.example/interactions\n  hookswitch webhooks test 0190a1b2-0000-7000-8000-000000000000",
	})
	c := a.connectionFlags(group)
	group.AddCommand(
		a.createWebhook(c), a.listWebhooks(c), a.getWebhook(c), a.updateWebhook(c), a.deleteWebhook(c), a.testWebhook(c),
		a.secretsCommand(c),
		a.switchWebhook(c, "enable", "Enable a webhook", "Enable a webhook. What was held while it was disabled is delivered now.",
			func(ctx context.Context, api *client.Client, id uuid.UUID, key client.RequestEditorFn) (*http.Response, error) {
				return api.EnableWebhook(ctx, id, nil, key)
			}),
		a.switchWebhook(c, "disable", "Disable a webhook", "Disable a webhook. Its deliveries are held until it is enabled.",
			func(ctx context.Context, api *client.Client, id uuid.UUID, key client.RequestEditorFn) (*http.Response, error) {
				return api.DisableWebhook(ctx, id, nil, key)
			}),
	)
	return group
}

// webhookSettings are the flags for the settings of a webhook.
type webhookSettings struct {
	cmd       *cobra.Command
	secrets   *secrets
	file      string
	generated map[string]any
	// What follows is for the flags of credentials: the files, the kinds of authorization and the scopes that they name.
	files       []secretFile
	headerFiles []string
	kinds       []string
	scopes      []string
}

// settingsFlags adds a flag for each setting. Only what was given is sent, so that the server's defaults stay the defaults;
// the server also judges the values.
func (a *app) settingsFlags(cmd *cobra.Command) *webhookSettings {
	w := &webhookSettings{cmd: cmd, generated: map[string]any{}}
	w.text("url", "the receiver's URL; for notices also mailto:address", "url")
	w.text("description", "what it is for", "description")
	w.list("events", "only these events: STARTED, FINISHED", "events")
	w.list("media", "only these media types: chat, email", "mediaTypes")
	w.list("subtypes", "only these subtypes", "subtypes")
	w.list("notices", "only these notices, where the purpose is notices: delivery.exhausted, webhook.failing, …", "notices")
	w.text("preset", "a named set of settings: genesys", "preset")
	w.text("request-timeout", "how long one POST may take, for example 10s", "requestTimeout")
	w.text("retry-timeout", "the wait before the first redelivery, for example 5s", "retry", "timeout")
	w.number("retry-attempts", "redeliveries after the first try", "retry", "attempts")
	w.number("retry-backoff", "the factor from one wait to the next", "retry", "backoff")
	w.text("retry-max-timeout", "the longest wait, for example 6h", "retry", "maxTimeout")
	w.number("retry-jitter", "how much of a wait is random, 0 to 0.5", "retry", "jitter")
	w.text("success", "what acknowledges: 200, or 2xx for every 2xx", "success")
	w.failingFlags()
	w.number("concurrency", "POSTs in flight", "concurrency")
	w.number("rate-limit", "POSTs per second", "rateLimit")
	w.number("batch-events", "events in one POST", "batch", "maxEvents")
	w.text("batch-linger", "how long to wait for more, for example 100ms", "batch", "linger")
	w.list("signatures", "the signatures: sha1, sha256, standard", "signatures")
	w.credentialsFlags()
	cmd.Flags().StringVar(&w.file, "file", "", "a JSON `file` with the settings as the API takes them, - for standard input; flags win over it")
	return w
}

// set puts a value at a path of the document.
func (w *webhookSettings) set(value any, path ...string) {
	at := w.generated
	for _, name := range path[:len(path)-1] {
		below, ok := at[name].(map[string]any)
		if !ok {
			below = map[string]any{}
			at[name] = below
		}
		at = below
	}
	at[path[len(path)-1]] = value
}

func (w *webhookSettings) text(flag, usage string, path ...string) {
	w.cmd.Flags().Func(flag, usage, func(text string) error {
		w.set(text, path...)
		return nil
	})
}

func (w *webhookSettings) list(flag, usage string, path ...string) {
	w.cmd.Flags().Func(flag, usage+"; with commas between them", func(text string) error {
		w.set(strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }), path...)
		return nil
	})
}

func (w *webhookSettings) number(flag, usage string, path ...string) {
	w.cmd.Flags().Func(flag, usage, func(text string) error {
		if _, err := strconv.ParseFloat(text, 64); err != nil || !json.Valid([]byte(text)) {
			return fmt.Errorf("%q is not a number", text)
		}
		w.set(json.Number(text), path...)
		return nil
	})
}

// document returns the body: the file's fields, and over them the flags'.
func (w *webhookSettings) document(a *app) (map[string]any, error) {
	document := map[string]any{}
	if err := w.readFiles(a); err != nil {
		return nil, err
	}
	if w.file != "" {
		raw, err := a.readInput("--file", w.file)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(raw, &document); err != nil {
			return nil, usageErrorf("%s does not hold a JSON object: %w", w.file, err)
		}
	}
	merge(document, w.generated)
	if w.secrets == nil {
		return document, nil
	}
	keys, err := w.secrets.read()
	if err != nil {
		return nil, err
	}
	if len(keys) > 1 {
		return nil, usageErrorf("a webhook is created with one secret")
	}
	if len(keys) == 1 {
		document["secret"] = string(keys[0])
	}
	return document, nil
}

func merge(under, over map[string]any) {
	for name, value := range over {
		below, both := under[name].(map[string]any)
		above, object := value.(map[string]any)
		if both && object {
			merge(below, above)
		} else {
			under[name] = value
		}
	}
}

func (a *app) createWebhook(c *connection) *cobra.Command {
	var asJSON, disabled bool
	cmd := &cobra.Command{
		Use: "create", Short: "Create a webhook",
		Long: `Create a webhook. Without a secret (--secret-file, or ` + secretEnv + `) the server makes one. The secret is in the answer of this
command and never shown again.`,
		Example: `  hookswitch webhooks create --url https://receiver.example/interactions
  hookswitch webhooks create --url https://operators.example/notices --purpose notices
  hookswitch webhooks create --url https://receiver.example/ --basic-user hookswitch --basic-password-file basic.password
  hookswitch webhooks create --url https://receiver.example/ --client-cert client.pem --client-key client.key --ca roots.pem
  hookswitch webhooks create --url http://127.0.0.1:8481/ --secret-file app.secret --retry-timeout 1s --retry-attempts 5 --json`,
		Args: args(),
	}
	w := a.settingsFlags(cmd)
	w.text("purpose", "interactions, or notices about the other webhooks; it cannot be changed later", "purpose")
	w.secrets = a.secretFlags(cmd)
	key := idempotencyFlag(cmd)
	cmd.Flags().BoolVar(&disabled, "disabled", false, "hold its deliveries until it is enabled")
	jsonFlag(cmd, &asJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		document, err := w.document(a)
		if err != nil {
			return err
		}
		if disabled {
			document["enabled"] = false
		}
		raw, err := c.send(cmd.Context(), document, func(ctx context.Context, api *client.Client, body io.Reader) (*http.Response, error) {
			return api.CreateWebhookWithBody(ctx, nil, contentJSON, body, key())
		})
		if err != nil {
			return err
		}
		if err := showOne(a, raw, asJSON, webhookFields); err != nil || asJSON {
			return err
		}
		if url, _ := document["url"].(string); !strings.HasPrefix(url, "mailto:") { // nothing is signed with that of an e-mail
			a.tell("Keep the secret: it is not shown again.\n")
		}
		return nil
	}
	return cmd
}

func (a *app) updateWebhook(c *connection) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "update webhook-id", Short: "Change settings of a webhook",
		Long: `Change the settings that are given and leave the others. In a --file, null sets a setting back to its default. Deliveries that
wait use the new settings from their next attempt on.

A password, a client's secret, a key or a header that is not given stays, but another scheme, host or port in --url needs the headers and
the password or client's secret again: what is stored is sent to nobody else.`,
		Example: `  hookswitch webhooks update 0190a1b2-0000-7000-8000-000000000000 --retry-attempts 30 --rate-limit 100
  hookswitch webhooks update 0190a1b2-0000-7000-8000-000000000000 --oauth2-client-secret-file client.secret`,
		Args: args("webhook-id"),
	}
	w := a.settingsFlags(cmd)
	w.removalFlags()
	jsonFlag(cmd, &asJSON)
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		id, err := parseID(given[0])
		if err != nil {
			return err
		}
		document, err := w.document(a)
		if err != nil {
			return err
		}
		if len(document) == 0 {
			return usageErrorf("nothing to change: give a flag or a --file")
		}
		raw, err := c.send(cmd.Context(), document, func(ctx context.Context, api *client.Client, body io.Reader) (*http.Response, error) {
			return api.UpdateWebhookWithBody(ctx, id, nil, contentJSON, body)
		})
		if err != nil {
			return err
		}
		return showOne(a, raw, asJSON, webhookFields)
	}
	return cmd
}

func (a *app) listWebhooks(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List webhooks",
		Long: `List the webhooks of the contact centre. ENABLED says why where the server disabled one: failing, or gone; what is held back because its
receiver fails has an open CIRCUIT.`,
		Example: "  hookswitch webhooks list\n  hookswitch webhooks list --all --json",
		Args:    args(),
	}
	l := listFlags(cmd)
	cmd.RunE = runList(a, c, l, []string{"id", "enabled", "circuit", "url", "purpose", "events", "description"}, webhookRow,
		func(ctx context.Context, api *client.Client, query client.RequestEditorFn) (*http.Response, error) {
			return api.ListWebhooks(ctx, nil, query)
		})
	return cmd
}

func (a *app) getWebhook(c *connection) *cobra.Command {
	return aboutOne(a, c, "webhook-id", &cobra.Command{
		Use: "get", Short: "Show a webhook with all its settings",
		Long:    "Show a webhook with all its settings. The secret is not shown.",
		Example: "  hookswitch webhooks get 0190a1b2-0000-7000-8000-000000000000 --json",
	}, webhookFields, func(ctx context.Context, api *client.Client, id uuid.UUID) (*http.Response, error) {
		return api.GetWebhook(ctx, id, nil)
	})
}

func (a *app) switchWebhook(
	c *connection, verb, short, long string,
	call func(context.Context, *client.Client, uuid.UUID, client.RequestEditorFn) (*http.Response, error),
) *cobra.Command {
	cmd := &cobra.Command{Use: verb, Short: short, Long: long, Example: "  hookswitch webhooks " + verb + " 0190a1b2-0000-7000-8000-000000000000"}
	key := idempotencyFlag(cmd)
	return aboutOne(a, c, "webhook-id", cmd, webhookFields, func(ctx context.Context, api *client.Client, id uuid.UUID) (*http.Response, error) {
		return call(ctx, api, id, key())
	})
}

func (a *app) deleteWebhook(c *connection) *cobra.Command {
	return deleteOne(c, "webhook-id", &cobra.Command{
		Short:   "Delete a webhook",
		Long:    "Delete a webhook. Its deliveries that are pending are not sent any more; its history stays readable until its retention ends.",
		Example: "  hookswitch webhooks delete 0190a1b2-0000-7000-8000-000000000000",
	}, func(ctx context.Context, api *client.Client, id uuid.UUID) (*http.Response, error) {
		return api.DeleteWebhook(ctx, id, nil)
	})
}

// errNotAcknowledged is what came of a test whose outcome was shown.
var errNotAcknowledged = errors.New("the receiver did not acknowledge")

func (a *app) testWebhook(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "test", Short: "Send one signed test to a webhook, and show what it said",
		Long: `Send one signed STARTED of a made-up interaction, or a made-up notice where the webhook is for notices, with
Hookswitch-Test: true, once, and show what the receiver answered. The exit code is 0 only when the receiver acknowledged, and 1
when the test was made and the receiver did not.

With --next-secret everything is signed with the next secret alone, as after its promotion: it shows whether the receiver knows it.`,
		Example: "  hookswitch webhooks test 0190a1b2-0000-7000-8000-000000000000",
	}
	next := cmd.Flags().Bool("next-secret", false, "sign with the next secret, before it is promoted")
	var asJSON bool
	jsonFlag(cmd, &asJSON)
	cmd.Use += " webhook-id"
	cmd.Args = args("webhook-id")
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		id, err := parseID(given[0])
		if err != nil {
			return err
		}
		api, err := c.open()
		if err != nil {
			return err
		}
		raw, err := c.ask(func() (*http.Response, error) { return api.TestWebhook(cmd.Context(), id, nil, testDraft(*next)) })
		if err != nil {
			return err
		}
		var result client.TestResult
		if err := json.Unmarshal(raw, &result); err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		if err := showOne(a, raw, asJSON, testFields); err != nil {
			return err
		}
		if !result.Acknowledged {
			return &silentError{errNotAcknowledged}
		}
		return nil
	}
	return cmd
}

func webhookRow(w client.Webhook) []string {
	wanted := joined(w.Events, "all")
	if w.Purpose == client.PurposeNotices {
		wanted = joined(w.Notices, "all")
	}
	enabled := strconv.FormatBool(w.Enabled)
	if w.Disabled != nil {
		enabled += ": " + string(w.Disabled.Reason)
	}
	return []string{w.Id.String(), enabled, string(w.Circuit.State), w.Url, string(w.Purpose), wanted, textOf(w.Description)}
}

func webhookFields(w client.Webhook) [][2]string {
	r := w.Retry
	wanted := [][2]string{
		{"events", joined(w.Events, "all")}, {"media types", joined(w.MediaTypes, "all")}, {"subtypes", joined(w.Subtypes, "all")},
	}
	if w.Purpose == client.PurposeNotices {
		wanted = [][2]string{{"notices", joined(w.Notices, "all")}}
	}
	return slices.Concat([][2]string{
		{"id", w.Id.String()},
		{"url", w.Url},
		{"description", textOf(w.Description)},
		{"purpose", string(w.Purpose)},
		{"enabled", enabledOf(w)},
		{"secret", textOf(w.Secret)},
		{"rotation", rotationOf(w.Secrets)},
	}, wanted, [][2]string{
		{"request timeout", w.RequestTimeout},
		{"retry", fmt.Sprintf("after %s, %d times, factor %v, at most %s apart, jitter %v", r.Timeout, r.Attempts, r.Backoff, r.MaxTimeout, r.Jitter)},
		{"acknowledged by", string(w.Success)},
	}, failingFields(w), [][2]string{
		{"concurrency", fmt.Sprint(w.Concurrency)},
		{"rate limit", rateOf(w.RateLimit)},
		{"batch", fmt.Sprintf("%d events, linger %s", w.Batch.MaxEvents, w.Batch.Linger)},
		{"signatures", joined(&w.Signatures, "none")},
	}, credentialsFields(w), [][2]string{
		{"created", timeOf(&w.CreatedAt)},
		{"updated", timeOf(&w.UpdatedAt)},
	})
}

// joined returns a list that may be absent as one text.
func joined[T ~string](list *[]T, none string) string {
	if list == nil || len(*list) == 0 {
		return none
	}
	texts := make([]string, len(*list))
	for i, item := range *list {
		texts[i] = string(item)
	}
	return strings.Join(texts, ", ")
}

func rateOf(limit *int64) string {
	if limit == nil || *limit == 0 {
		return "none"
	}
	return fmt.Sprintf("%d per second", *limit)
}
