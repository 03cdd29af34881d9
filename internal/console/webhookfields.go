package console

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// The kinds of fields, which the template knows.
const (
	fieldText     = "text"
	fieldPassword = "password"
	fieldArea     = "area"
	fieldBoxes    = "boxes"
	fieldBox      = "box"
	fieldRadios   = "radios"
)

// keptHint stands where a secret would be that is stored.
const keptHint = "stored; empty keeps it"

// webhookGroup is a part of the form of a webhook.
type webhookGroup struct {
	ID, Title, Help string
	// Folded groups are closed unless Open, because most people need none of them.
	Folded, Open bool
	// Schedule is whether the retry schedule is drawn below the fields.
	Schedule bool
	Fields   []webhookField
}

// webhookField is one setting in the form.
type webhookField struct {
	Name, Label, Help, Kind string
	Value, Placeholder      string
	Options                 []webhookOption
	Fault                   string
	// Lost is whether a secret was given that a page does not repeat, so that it has to be given again.
	Lost bool
}

// webhookOption is one box of several.
type webhookOption struct {
	Value, Label, Help string
	Checked            bool
	// Fixed boxes are always checked.
	Fixed bool
}

// ID is the field's in the page.
func (f webhookField) ID() string { return "field-" + strings.ReplaceAll(f.Name, ".", "-") }

// Single is whether one option alone can be chosen.
func (f webhookField) Single() bool { return f.Kind == fieldRadios }

// Wide is whether the text has several lines.
func (f webhookField) Wide() bool { return f.Kind == fieldArea }

// Broad is whether the text is long in one line.
func (f webhookField) Broad() bool {
	return f.Name == "url" || f.Name == "authorization.tokenUrl" || f.Name == "authorization.scopes"
}

// Secret is whether the text is not to be seen.
func (f webhookField) Secret() bool { return f.Kind == fieldPassword }

// Describes are the ids of what describes the field.
func (f webhookField) Describes() string {
	var ids []string
	if f.Help != "" {
		ids = append(ids, f.ID()+"-help")
	}
	if f.Fault != "" || f.Lost {
		ids = append(ids, f.ID()+"-fault")
	}
	return strings.Join(ids, " ")
}

// webhookGroups lays out the form. before is nil for a new webhook.
func webhookGroups(values url.Values, wrong faults, before *hook.Webhook) []webhookGroup {
	groups := []webhookGroup{receiverFields(before)}
	if before == nil || before.Settings.Serves() == hook.PurposeInteractions {
		groups = append(groups, eventFields())
	}
	if before == nil || before.Settings.Serves() == hook.PurposeNotices {
		groups = append(groups, noticeFields())
	}
	groups = append(groups, retryFields(), paceFields(), failingFields(), headerFields(), authorizationFields(before), tlsFields(before))
	defaults := fillForm(new(hook.DefaultSettings()))
	for i := range groups {
		g := &groups[i]
		for j := range g.Fields {
			f := &g.Fields[j]
			f.Fault = wrong[f.Name]
			f.fill(values)
			changed := f.Kind != fieldPassword && !slices.Equal(nonEmpty(values[f.Name]), nonEmpty(defaults[f.Name]))
			g.Open = g.Open || f.Fault != "" || f.Lost || changed
		}
	}
	return groups
}

// nonEmpty leaves out empty texts: a field that was not filled in is as good as none.
func nonEmpty(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(text string) bool { return text == "" })
}

// fill puts in what was entered, but for secrets.
func (f *webhookField) fill(values url.Values) {
	switch f.Kind {
	case fieldPassword:
		f.Lost = values.Get(f.Name) != ""
		return
	case fieldArea:
		if f.Name == "tls.key" {
			f.Lost = values.Get(f.Name) != ""
			return
		}
	}
	f.Value = values.Get(f.Name)
	for i := range f.Options {
		o := &f.Options[i]
		o.Checked = o.Fixed || slices.Contains(values[f.Name], o.Value)
	}
}

// boxesOf are boxes whose labels are their values.
func boxesOf[T ~string](list []T) (boxes []webhookOption) {
	for _, one := range list {
		boxes = append(boxes, webhookOption{Value: string(one), Label: string(one)})
	}
	return boxes
}

func receiverFields(before *hook.Webhook) webhookGroup {
	g := webhookGroup{ID: "receiver", Title: "Receiver"}
	if before == nil {
		g.Fields = append(g.Fields, webhookField{
			Name: "purpose", Label: "Purpose", Kind: fieldRadios, Help: "It cannot be changed later.",
			Options: []webhookOption{
				{Value: string(hook.PurposeInteractions), Label: "Events of interactions", Help: "A receiver is told when an interaction starts and finishes."},
				{Value: string(hook.PurposeNotices), Label: "Notices", Help: "Operators are told when other webhooks fail or are disabled."},
			},
		})
	}
	g.Fields = append(
		g.Fields,
		webhookField{
			Name: "url", Label: "URL", Kind: fieldText, Placeholder: "https://receiver.example/interactions",
			Help: "Where each POST goes. http only where the operator allows private targets; a webhook for notices may have mailto:ops@example.com. At most 2,048 bytes. Another URL closes an open circuit.",
		},
		webhookField{Name: "description", Label: "Description", Kind: fieldText, Placeholder: "CRM, production", Help: "For people: what it is for and who looks after it."},
	)
	if before == nil {
		g.Fields = append(
			g.Fields,
			webhookField{
				Name: "secret", Label: "Secret", Kind: fieldPassword,
				Help: "Signs each POST, and the receiver needs it to verify them. Leave it empty to have one made from 32 random bytes; a given one has 16 to 256 bytes. It is shown once.",
			},
			webhookField{
				Name: "enabled", Label: "Enabled", Kind: fieldBox, Help: "Deliveries of a disabled webhook are kept and go out when it is enabled.",
				Options: []webhookOption{{Value: "true", Label: "Send its deliveries as they become due"}},
			},
		)
	}
	return g
}

func eventFields() webhookGroup {
	return webhookGroup{
		ID: "events", Title: "Which events", Folded: true, Help: "Where no box of a row is checked, the row filters nothing. For webhooks whose purpose is the events of interactions.",
		Fields: []webhookField{
			{Name: "events", Label: "Events", Kind: fieldBoxes, Options: boxesOf(interaction.Events())},
			{Name: "mediaTypes", Label: "Media types", Kind: fieldBoxes, Options: boxesOf(interaction.MediaTypes())},
			{Name: "subtypes", Label: "Subtypes", Kind: fieldBoxes, Options: boxesOf(interaction.Subtypes())},
		},
	}
}

func noticeFields() webhookGroup {
	return webhookGroup{
		ID: "notices", Title: "Which notices", Folded: true, Help: "Where no box is checked, all are sent. For webhooks whose purpose is notices.",
		Fields: []webhookField{{Name: "notices", Label: "Notices", Kind: fieldBoxes, Options: boxesOf(hook.NoticeKinds())}},
	}
}

func retryFields() webhookGroup {
	return webhookGroup{
		ID: "retry", Title: "Attempts and retries", Schedule: true, Help: "What counts as delivered, and when a delivery that failed is sent again. A receiver's Retry-After is honoured, up to the longest wait.",
		Fields: []webhookField{
			{Name: "requestTimeout", Label: "Request timeout", Kind: fieldText, Help: "Bounds each POST as a whole: 1s to 60s; 10s is the default."},
			{
				Name: "success", Label: "Delivered when answered with", Kind: fieldRadios,
				Options: []webhookOption{{Value: string(hook.Success200), Label: "200", Help: "and nothing else"}, {Value: string(hook.Success2xx), Label: "any 2xx", Help: "200 to 299"}},
			},
			{Name: "retry.timeout", Label: "First wait", Kind: fieldText, Help: "From the first attempt to the first redelivery: 100ms to 24h; 5s is the default."},
			{Name: "retry.attempts", Label: "Redeliveries", Kind: fieldText, Help: "After the first attempt: 0 to 100; 19 is the default. After the last one the delivery is exhausted, and can be replayed."},
			{Name: "retry.backoff", Label: "Factor", Kind: fieldText, Help: "From one wait to the next: 1 to 10; 3 is the default. 1 makes all waits the same."},
			{Name: "retry.maxTimeout", Label: "Longest wait", Kind: fieldText, Help: "Bounds every wait: at most 24h; 6h is the default."},
			{Name: "retry.jitter", Label: "Jitter", Kind: fieldText, Help: "The share by which a wait is longer or shorter at random, so that not all come at once: 0 to 0.5; 0.1 is the default."},
		},
	}
}

func paceFields() webhookGroup {
	return webhookGroup{
		ID: "pace", Title: "Pace and batches", Folded: true, Help: "How much the receiver gets at a time. Per node: with three servers it is three times as much.",
		Fields: []webhookField{
			{Name: "concurrency", Label: "POSTs in flight", Kind: fieldText, Help: "1 to 1,024; 32 is the default."},
			{Name: "rateLimit", Label: "POSTs per second", Kind: fieldText, Placeholder: "no limit", Help: "1 to 100,000. Empty: no limit."},
			{Name: "batch.maxEvents", Label: "Events in one POST", Kind: fieldText, Help: "1 to 500, and never two of one interaction; 1 is the default. More is for a receiver that expects several."},
			{Name: "batch.linger", Label: "Wait for a batch to fill", Kind: fieldText, Help: "At most 1s; 0s is the default."},
		},
	}
}

func failingFields() webhookGroup {
	return webhookGroup{
		ID: "failing", Title: "When the receiver fails", Folded: true,
		Help: "After many failures the circuit opens: deliveries wait without using up their attempts, and one at a time is sent as a probe, until one succeeds.",
		Fields: []webhookField{
			{Name: "circuitBreaker.failures", Label: "Failures in a row that open the circuit", Kind: fieldText, Help: "On one node: 1 to 1,000; 20 is the default."},
			{Name: "circuitBreaker.share", Label: "Failing share of a minute that opens it", Kind: fieldText, Help: "0.01 to 1; 0.8 is the default."},
			{Name: "circuitBreaker.minimum", Label: "Attempts in a minute that make a share", Kind: fieldText, Help: "With fewer, the share says nothing: 1 to 100,000; 50 is the default."},
			{Name: "disable.after", Label: "Disable it after", Kind: fieldText, Placeholder: "never", Help: "How long the circuit has been open: 1m to 720h. Empty: never. Its deliveries are kept."},
			{
				Name: "disable.onGone", Label: "410 Gone", Kind: fieldBox, Help: "By 410 a receiver says that it will not come back (RFC 9110, section 15.5.11).",
				Options: []webhookOption{{Value: "true", Label: "Disable the webhook when it is answered with 410"}},
			},
		},
	}
}

func headerFields() webhookGroup {
	return webhookGroup{
		ID: "headers", Title: "Signatures and headers", Folded: true,
		Fields: []webhookField{
			{
				Name: "signatures", Label: "Signatures", Kind: fieldBoxes, Help: "All are the same secret over the same bytes; a receiver verifies the one that it knows.",
				Options: []webhookOption{
					{Value: string(hook.SignatureSHA1), Label: "X-Hub-Signature", Help: "SHA-1, always sent: receivers of the original rely on it", Fixed: true},
					{Value: string(hook.SignatureSHA256), Label: "X-Hub-Signature-256", Help: "SHA-256"},
					{Value: string(hook.SignatureStandard), Label: "webhook-signature", Help: "Standard Webhooks, with a time stamp"},
				},
			},
			{
				Name: "metadata", Label: "About the delivery", Kind: fieldBoxes, Help: "Turn off what a receiver of the original stumbles over.",
				Options: []webhookOption{
					{Value: string(hook.MetadataAttempt), Label: "Hookswitch-Attempt", Help: "1 for the first attempt"},
					{Value: string(hook.MetadataDelivery), Label: "Hookswitch-Delivery", Help: "the delivery's id"},
					{Value: string(hook.MetadataUserAgent), Label: "User-Agent", Help: "with the version"},
				},
			},
			{
				Name: "headers", Label: "Headers of your own", Kind: fieldArea, Placeholder: "X-Tenant: 42",
				Help: "One in a line, as Name: value; at most 20. Their values are stored sealed and never shown: *** stands for one that is stored. To another scheme, host or port they are sent only when they are given again.",
			},
		},
	}
}

func authorizationFields(before *hook.Webhook) webhookGroup {
	var basic, oauth2 string
	if before != nil && before.Settings.Authorization.Basic != nil {
		basic = keptHint
	}
	if before != nil && before.Settings.Authorization.OAuth2 != nil {
		oauth2 = keptHint
	}
	return webhookGroup{
		ID: "authorization", Title: "Authorization", Folded: true,
		Help: "What the Authorization header of each POST is made of. A stored password or secret goes to nobody else than it was given for: with another URL, user name, client or token endpoint it has to be given again.",
		Fields: []webhookField{
			{
				Name: "authorization.type", Label: "Kind", Kind: fieldRadios, Options: []webhookOption{
					{Value: kindNone, Label: "None"},
					{Value: hook.AuthorizationBasic, Label: "Basic", Help: "a user name and a password"},
					{Value: hook.AuthorizationOAuth2, Label: "OAuth2", Help: "bearer tokens by client credentials"},
				},
			},
			{Name: "authorization.username", Label: "Basic: user name", Kind: fieldText},
			{Name: "authorization.password", Label: "Basic: password", Kind: fieldPassword, Placeholder: basic},
			{Name: "authorization.tokenUrl", Label: "OAuth2: token endpoint", Kind: fieldText, Placeholder: "https://login.example/oauth2/token"},
			{Name: "authorization.clientId", Label: "OAuth2: client id", Kind: fieldText},
			{Name: "authorization.clientSecret", Label: "OAuth2: client secret", Kind: fieldPassword, Placeholder: oauth2},
			{Name: "authorization.scopes", Label: "OAuth2: scopes", Kind: fieldText, Help: "With spaces between them; none are asked for where it is empty."},
			{Name: "authorization.audience", Label: "OAuth2: audience", Kind: fieldText, Help: "Sent as the parameter audience, which some servers want."},
			{
				Name: "authorization.inBody", Label: "OAuth2: the client's credentials", Kind: fieldBox,
				Options: []webhookOption{{Value: "true", Label: "Send them in the body in place of the Authorization header"}},
			},
		},
	}
}

func tlsFields(before *hook.Webhook) webhookGroup {
	key := "-----BEGIN PRIVATE KEY-----"
	if before != nil && !before.Settings.TLS.Key.IsZero() {
		key = keptHint
	}
	return webhookGroup{
		ID: "tls", Title: "TLS", Folded: true, Help: "For receivers that ask for a client certificate, or whose own certificate is of a private authority. Texts in PEM.",
		Fields: []webhookField{
			{Name: "tls.certificate", Label: "Client certificate", Kind: fieldArea, Placeholder: "-----BEGIN CERTIFICATE-----", Help: "With the intermediate ones behind it. Empty: none is shown to the receiver."},
			{Name: "tls.key", Label: "Its private key", Kind: fieldArea, Placeholder: key, Help: "Not encrypted; it is stored sealed and never shown."},
			{Name: "tls.roots", Label: "Roots", Kind: fieldArea, Placeholder: "-----BEGIN CERTIFICATE-----", Help: "They verify the receiver's certificate in place of the server's own. Empty: those."},
		},
	}
}

// faultOf is one line of the summary of what is wrong.
type faultOf struct{ Label, Text, ID string }

// faultsIn lists what is wrong in the order of the form. What belongs to no field of it comes last.
func faultsIn(groups []webhookGroup, wrong faults) (list []faultOf) {
	rest := maps.Clone(wrong)
	for i := range groups {
		for _, f := range groups[i].Fields {
			if f.Fault != "" {
				list = append(list, faultOf{f.Label, f.Fault, f.ID()})
				delete(rest, f.Name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		list = append(list, faultOf{Label: name, Text: rest[name]})
	}
	return list
}
