package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/client"
)

func (a *app) contactCentersCommand() *cobra.Command {
	group := makeGroup(&cobra.Command{
		Use:     "contact-centers",
		Aliases: []string{"contact-center"},
		Short:   "Create, list, get and update contact centres, and see what their retention would remove",
		Long: `A contact centre is a tenant: interactions, webhooks and keys belong to one. It keeps what it has as long as the server's retention
says, or as long as it is set to.

These commands need an admin key. The server and the key come from ` + serverEnv + ` and ` + adminKeyEnv + `, or from flags.`,
		Example: "  hookswitch contact-centers create acme --name 'Acme Ltd'\n  hookswitch contact-centers retention acme --interactions 720h",
	})
	c := a.connectionFlags(group)
	group.AddCommand(a.createContactCenter(c), a.listContactCenters(c), a.getContactCenter(c), a.updateContactCenter(c), a.reportRetention(c))
	return group
}

func (a *app) createContactCenter(c *connection) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "create contact-center-id", Short: "Create a contact centre",
		Long:    "Create a contact centre. Its id is what x-ccid carries and never changes; one that is taken is a conflict (exit code 4).",
		Example: "  hookswitch contact-centers create acme --name 'Acme Ltd'",
	}
	key := idempotencyFlag(cmd)
	cmd.Flags().StringVar(&name, "name", "", "a name for people")
	return contactCenterAction(a, c, cmd, contactCenterFields, func(ctx context.Context, api *client.Client, id string) (*http.Response, error) {
		document := map[string]any{"id": id}
		if name != "" {
			document["name"] = name
		}
		body, err := jsonBody(document)
		if err != nil {
			return nil, err
		}
		return api.CreateContactCenterWithBody(ctx, nil, contentJSON, body, key())
	})
}

func (a *app) listContactCenters(c *connection) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the contact centres", Long: "List all contact centres, oldest first, with how long each keeps interactions.",
		Example: "  hookswitch contact-centers list --json",
		Args:    args(),
	}
	jsonFlag(cmd, &asJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		api, err := c.open()
		if err != nil {
			return err
		}
		raw, err := c.ask(func() (*http.Response, error) { return api.ListContactCenters(cmd.Context()) })
		if err != nil {
			return err
		}
		var list items
		if err := json.Unmarshal(raw, &list); err != nil {
			return fmt.Errorf("read list: %w", err)
		}
		return showList(a, &listing{json: asJSON}, list, []string{"id", "name", "keeps interactions", "created"}, func(cc client.ContactCenter) []string {
			return []string{cc.Id, textOf(cc.Name), keptFor(cc.Retention, client.RetentionFieldInteractions), timeOf(&cc.CreatedAt)}
		})
	}
	return cmd
}

func (a *app) getContactCenter(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "get contact-center-id", Aliases: []string{"show"}, Short: "Show a contact centre with its settings",
		Long:    "Show a contact centre with its settings, and which of them it inherits.",
		Example: "  hookswitch contact-centers get acme",
	}
	return contactCenterAction(a, c, cmd, contactCenterFields, func(ctx context.Context, api *client.Client, id string) (*http.Response, error) {
		return api.GetContactCenter(ctx, id)
	})
}

// inherit is the value of a flag that unsets a setting.
const inherit = "inherit"

func (a *app) updateContactCenter(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "update contact-center-id", Short: "Change settings of a contact centre",
		Long: `Change the settings that are given and leave the others. A shorter retention removes from within a minute on, for good: look with
` + "`contact-centers retention`" + ` first what that would be.`,
		Example: "  hookswitch contact-centers update acme --retention-interactions 720h --retention-payloads 168h\n  hookswitch contact-centers update acme --retention-interactions inherit",
	}
	name := cmd.Flags().String("name", "", "a name for people")
	retention := retentionFlags(cmd, "retention-", "; 0 is for ever, "+inherit+" unsets it", "; "+inherit+" unsets it")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if !cmd.Flags().Changed("name") && len(retention()) == 0 {
			return usageErrorf("nothing to change: give a flag")
		}
		return nil
	}
	return contactCenterAction(a, c, cmd, contactCenterFields, func(ctx context.Context, api *client.Client, id string) (*http.Response, error) {
		document, kept := map[string]any{}, map[string]any{}
		if cmd.Flags().Changed("name") {
			document["name"] = *name
		}
		for field, value := range retention() {
			kept[field] = value
			if value == inherit {
				kept[field] = nil
			}
			document["retention"] = kept
		}
		body, err := jsonBody(document)
		if err != nil {
			return nil, err
		}
		return api.UpdateContactCenterWithBody(ctx, id, contentJSON, body)
	})
}

// retentionFlags adds a flag for each field of a retention, and returns what reads those that were given. The server judges them.
func retentionFlags(cmd *cobra.Command, prefix, onFirst, onOthers string) func() map[string]string {
	for _, f := range [...][2]string{
		{"interactions", "how long an interaction is kept after its stop, for example 720h" + onFirst},
		{"deliveries", "how long a resolved delivery is listed after its event" + onOthers},
		{"attempts", "how long each single attempt is kept after the event" + onOthers},
		{"payloads", "how long a payload is kept after its event" + onOthers},
	} {
		cmd.Flags().String(prefix+f[0], "", f[1])
	}
	return func() map[string]string {
		given := map[string]string{}
		for _, field := range []string{"interactions", "deliveries", "attempts", "payloads"} {
			if f := cmd.Flags().Lookup(prefix + field); f.Changed {
				given[field] = f.Value.String()
			}
		}
		return given
	}
}

// contactCenterAction completes a command about one contact centre; its answer is printed as the fields of a T.
func contactCenterAction[T any](
	a *app, c *connection, cmd *cobra.Command, fields func(T) [][2]string,
	call func(context.Context, *client.Client, string) (*http.Response, error),
) *cobra.Command {
	var asJSON bool
	cmd.Args = args("contact-center-id")
	jsonFlag(cmd, &asJSON)
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		api, err := c.open()
		if err != nil {
			return err
		}
		raw, err := c.ask(func() (*http.Response, error) { return call(cmd.Context(), api, given[0]) })
		if err != nil {
			return err
		}
		return showOne(a, raw, asJSON, fields)
	}
	return cmd
}

func contactCenterFields(cc client.ContactCenter) [][2]string {
	return [][2]string{
		{"id", cc.Id},
		{"name", textOf(cc.Name)},
		{"keeps interactions", keptFor(cc.Retention, client.RetentionFieldInteractions)},
		{"keeps deliveries", keptFor(cc.Retention, client.RetentionFieldDeliveries)},
		{"keeps attempts", keptFor(cc.Retention, client.RetentionFieldAttempts)},
		{"keeps payloads", keptFor(cc.Retention, client.RetentionFieldPayloads)},
		{"created", timeOf(&cc.CreatedAt)},
		{"updated", timeOf(cc.UpdatedAt)},
	}
}

// keptFor says how long something is kept.
func keptFor(p client.RetentionPolicy, field client.RetentionField) string {
	age := map[client.RetentionField]string{
		client.RetentionFieldInteractions: p.Interactions, client.RetentionFieldDeliveries: p.Deliveries, client.RetentionFieldAttempts: p.Attempts, client.RetentionFieldPayloads: p.Payloads,
	}[field]
	from := " after the event"
	if field == client.RetentionFieldInteractions {
		from = " after the stop"
	}
	inherited := slices.Contains(p.Inherited, field)
	switch {
	case inherited && field == client.RetentionFieldAttempts && !slices.Contains(p.Inherited, client.RetentionFieldDeliveries):
		return "as long as the delivery"
	case inherited && field != client.RetentionFieldInteractions:
		return "as long as the interaction"
	case age == "0":
		age, from = "for ever", ""
	}
	if inherited {
		from += ", as the server says"
	}
	return age + from
}

func (a *app) reportRetention(c *connection) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "retention contact-center-id", Short: "Report what retention would remove now",
		Long: `Count what would be removed now, under the retention that is set or under one that is given by flags, and remove nothing. What is not
given is as it is set. A large store takes a while: it is looked at a part at a time, beside the work.`,
		Example: "  hookswitch contact-centers retention acme\n  hookswitch contact-centers retention acme --interactions 720h --payloads 168h",
		Args:    args("contact-center-id"),
	}
	tried := retentionFlags(cmd, "", "; 0 is for ever", "")
	jsonFlag(cmd, &asJSON)
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		api, err := c.open()
		if err != nil {
			return err
		}
		sum, err := a.addUp(func(cursor string) ([]byte, error) {
			q := url.Values{}
			for field, value := range tried() {
				q.Set(field, value)
			}
			if cursor != "" {
				q.Set("cursor", cursor)
			}
			return c.ask(func() (*http.Response, error) { return api.ReportRetention(cmd.Context(), given[0], nil, withQuery(q)) })
		})
		if err != nil {
			return err
		}
		if asJSON {
			return a.printJSON(sum)
		}
		return a.printTable([]string{"what", "kept", "removed now"}, reportRows(sum))
	}
	return cmd
}

// addUp adds up the pages of a report, and tells a person who waits how far it is.
func (a *app) addUp(page func(cursor string) ([]byte, error)) (sum client.RetentionReport, err error) {
	shown, drawn := time.Now(), false
	defer func() {
		if drawn {
			a.tell("\r\x1b[K") // ECMA-48, section 8.3.41, EL
		}
	}()
	for cursor := ""; ; {
		raw, err := page(cursor)
		if err != nil {
			return sum, err
		}
		var part client.RetentionReport
		if err := json.Unmarshal(raw, &part); err != nil {
			return sum, fmt.Errorf("read answer: %w", err)
		}
		sum.Policy = part.Policy
		sum.Interactions += part.Interactions
		sum.Events += part.Events
		sum.Deliveries += part.Deliveries
		sum.Attempts += part.Attempts
		sum.Payloads += part.Payloads
		if cursor = textOf(part.NextCursor); cursor == "" {
			return sum, nil
		}
		if a.StderrTerminal && time.Since(shown) >= progressDrawEvery {
			shown, drawn = time.Now(), true
			a.tell(fmt.Sprintf("\rso far %d interactions, %d deliveries, %d attempts, %d payloads\x1b[K", sum.Interactions, sum.Deliveries, sum.Attempts, sum.Payloads))
		}
	}
}

func reportRows(r client.RetentionReport) [][]string {
	return [][]string{
		{"interactions", keptFor(r.Policy, client.RetentionFieldInteractions), fmt.Sprint(r.Interactions)},
		{"events", "as long as the interaction", fmt.Sprint(r.Events)},
		{"deliveries", keptFor(r.Policy, client.RetentionFieldDeliveries), fmt.Sprint(r.Deliveries)},
		{"attempts", keptFor(r.Policy, client.RetentionFieldAttempts), fmt.Sprint(r.Attempts)},
		{"payloads", keptFor(r.Policy, client.RetentionFieldPayloads), fmt.Sprint(r.Payloads)},
	}
}
