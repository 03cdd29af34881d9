package mail

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"text/template"
	"unicode"
	"unicode/utf8"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The bounds of what is written of a notice, in bytes; the attachment has all of it.
const (
	nameBytesMax = 60
	lineBytesMax = 900
)

// notice is a notice that becomes an e-mail. Fields that are not there are left out.
type notice struct {
	*hook.CloudEvent
	// delivery is the first delivery that it is about, empty where it is about none.
	delivery hook.NoticeDelivery
}

// parseNotice reads a CloudEvent, and removes whatever could break a line.
func parseNotice(body []byte) (*notice, error) {
	event, err := hook.ParseNotice(body)
	if err != nil {
		return nil, fmt.Errorf("the body is no notice: %w", err)
	}
	n := notice{CloudEvent: event}
	if first := event.Data.Delivery; first != nil {
		n.delivery = *first
	}
	if n.ID == "" || n.Type == "" {
		return nil, errors.New("the body is no notice: it is not a CloudEvent with an id and a type")
	}
	d, first := &n.Data, &n.delivery
	for _, text := range []*string{
		&n.Source, &n.Type, &n.Subject, &n.Time, &d.Message, &d.WebhookID, &d.WebhookURL, &d.Description, &d.Circuit.State, &d.Circuit.Since,
		&first.ID, &first.InteractionID, &first.Event, &first.Failure, &first.Error,
		&d.DisableAt, &d.GivesUpAt, &d.OldestDueAt, &d.Fix,
	} {
		*text = oneLine(*text, lineBytesMax)
	}
	d.WebhookID = cmp.Or(d.WebhookID, n.Subject)
	return &n, nil
}

// headline is the subject: which webhook, and what about it.
func (n *notice) headline() string {
	return "[hookswitch] " + strings.TrimSpace(n.webhook()+" "+n.happened())
}

// webhook names the webhook so that it is known at a glance: by the beginning of its id, and by what people call it.
func (n *notice) webhook() string {
	id, rest, _ := strings.Cut(n.Data.WebhookID, "-")
	if id == "" {
		return ""
	}
	if rest != "" {
		id += ellipsis
	}
	name := n.Data.Description
	if u, err := url.Parse(n.Data.WebhookURL); name == "" && err == nil {
		name = u.Host
	}
	if name == "" {
		return "webhook " + id
	}
	return "webhook " + id + " (" + oneLine(name, nameBytesMax) + ")"
}

// happened says in a few words what the notice is about. One of a kind that is not known yet is told by its type.
func (n *notice) happened() string {
	d := &n.Data
	switch kind := n.Kind(); kind {
	case hook.NoticeExhausted:
		return "failing: " + counted(d.Count, "delivery", "deliveries") + " given up"
	case hook.NoticeFailing:
		switch {
		case d.GivesUpAt != "":
			return "failing: deliveries will be given up from " + d.GivesUpAt
		case d.DisableAt != "":
			return "failing: it will be disabled at " + d.DisableAt
		}
		return "failing"
	case hook.NoticeCircuitOpened:
		return "failing: deliveries are held back"
	case hook.NoticeCircuitClosed:
		return "works again: deliveries go out"
	case hook.NoticeDisabled:
		return "disabled by the server"
	case hook.NoticeBacklog:
		return "falls behind: its backlog grows"
	case hook.NoticeTest:
		return "test of notices"
	default:
		return string(kind)
	}
}

func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + many
}

// textTemplate is the e-mail's text.
const textTemplate = `{{with .Data.Message}}{{.}}.

{{end}}{{with .Data.Fix}}To look further, or to mend it:

    {{.}}

{{end}}{{range .Facts}}{{printf "%-16s" .Name}} {{.Value}}
{{end}}
The same for programs is attached as notice.json.

Hookswitch sent this by itself. Who gets such e-mails is said by webhooks whose purpose is "notices":
hookswitch webhooks list
`

// Fact is a line of the text.
type Fact struct{ Name, Value string }

// Facts are what is known, in the order in which it is asked for.
func (n *notice) Facts() []Fact {
	d, del := &n.Data, &n.delivery
	all := []Fact{
		{"What", string(n.Kind())},
		{"When", n.Time},
		{"Webhook", d.WebhookID},
		{"Description", d.Description},
		{"Receiver", d.WebhookURL},
		{"State", n.state()},
		{"Given up from", d.GivesUpAt},
		{"Disabled at", d.DisableAt},
		{"Waiting since", d.OldestDueAt},
		{"First delivery", del.ID},
		{"Interaction", strings.TrimSpace(del.InteractionID + " " + del.Event)},
		{"Last attempt", n.attempt()},
		{"Source", n.Source},
	}
	if d.Count > 1 {
		all = append(all, Fact{"Count", strconv.FormatInt(d.Count, 10)})
	}
	known := all[:0]
	for _, f := range all {
		if f.Value != "" {
			known = append(known, f)
		}
	}
	return known
}

// state says whether the webhook is enabled, and its circuit's state, which every notice about a webhook has.
func (n *notice) state() string {
	c := n.Data.Circuit
	if c.State == "" {
		return ""
	}
	text := "disabled"
	if n.Data.Enabled {
		text = "enabled"
	}
	text += ", circuit " + c.State
	if c.Since != "" {
		text += " since " + c.Since
	}
	return text
}

func (n *notice) attempt() string {
	d := &n.delivery
	if d.Attempts == 0 {
		return ""
	}
	text := fmt.Sprintf("number %d: %s", d.Attempts, d.Failure)
	if d.Status != 0 {
		text += " " + strconv.Itoa(d.Status)
	}
	if d.Error != "" {
		text += " (" + d.Error + ")"
	}
	return text
}

// text is the e-mail's text.
func (n *notice) text() (string, error) {
	var b strings.Builder
	t, err := template.New("notice").Parse(textTemplate)
	if err == nil {
		err = t.Execute(&b, n)
	}
	if err != nil { // the template is ours, and a test executes it
		return "", fmt.Errorf("write the text: %w", err)
	}
	return b.String(), nil
}

// ellipsis ends a text that was cut.
const ellipsis = "…"

// oneLine makes a text of one line: valid, without what is not printed, and of so many bytes at most.
func oneLine(text string, bytesMax int) string {
	text = strings.Map(func(r rune) rune {
		if hidden(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if len(text) <= bytesMax {
		return text
	}
	end := bytesMax - len(ellipsis)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}

// hidden reports whether a character is not printed: those that control a line, and those that turn its direction.
func hidden(r rune) bool { return !unicode.IsPrint(r) }
