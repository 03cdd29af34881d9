package mail

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// parsed is an e-mail as its reader sees it.
type parsed struct {
	header       netmail.Header
	subject      string
	text, attach string
}

func parse(t rapid.TB, raw []byte) parsed {
	t.Helper()
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("read message: %v\n%s", err, raw)
	}
	p := parsed{header: m.Header}
	if p.subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		t.Fatalf("decode subject: %v", err)
	}
	_, parameters, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatalf("Content-Type: %v", err)
	}
	parts := multipart.NewReader(m.Body, parameters["boundary"])
	var texts []string
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF { //nolint:errorlint // the very value, by its contract
			break
		}
		if err != nil {
			t.Fatalf("next part: %v", err)
		}
		var from io.Reader = quotedprintable.NewReader(part)
		if part.Header.Get("Content-Transfer-Encoding") == "base64" {
			from = base64.NewDecoder(base64.StdEncoding, part)
		}
		text, err := io.ReadAll(from)
		if err != nil {
			t.Fatalf("read part: %v", err)
		}
		texts = append(texts, string(text))
	}
	if len(texts) != 2 {
		t.Fatalf("%d parts, want the text and the attachment", len(texts))
	}
	p.text, p.attach = strings.ReplaceAll(texts[0], "\r\n", "\n"), texts[1]
	return p
}

func testSender() *Sender {
	return New(Options{From: netmail.Address{Name: "Hookswitch, Zürich", Address: "hookswitch@example.com"}, Version: "v1.2.3"})
}

// compose writes the e-mail about a notice.
func compose(t rapid.TB, body string) parsed {
	t.Helper()
	m, err := testSender().compose("ops@example.com", []byte(body), time.Date(2026, 11, 22, 17, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatalf("compose: %v", err)
	}
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		t.Fatalf("write: %v", err)
	}
	return parse(t, b.Bytes())
}

// headerNames are all that an e-mail has.
func headerNames() []string {
	return []string{
		"Auto-Submitted", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To", "User-Agent", "X-Auto-Response-Suppress", "X-Mailer",
	}
}

// A reader sees at a glance what happened to which webhook, in the text what to do, and has the notice itself byte for byte.
func TestMessage(t *testing.T) {
	t.Parallel()
	p := compose(t, usualNotice)
	if want := "[hookswitch] webhook 0199a1b2… (crm.example) failing: 37 deliveries given up"; p.subject != want {
		t.Errorf("subject %q, want %q", p.subject, want)
	}
	for name, want := range map[string]string{
		"Message-Id": "<f6c49d91-926b-4473-b2f3-8d8fd295c968@example.com>", "Auto-Submitted": "auto-generated", "To": "<ops@example.com>",
		"Date": "Sun, 22 Nov 2026 17:00:00 +0000", "User-Agent": "Hookswitch/v1.2.3",
	} {
		if got := p.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	from, err := p.header.AddressList("From")
	if err != nil || len(from) != 1 || from[0].Name != "Hookswitch, Zürich" || from[0].Address != "hookswitch@example.com" {
		t.Errorf("From: %v, %v", from, err)
	}
	if p.attach != usualNotice {
		t.Errorf("attached: %s", p.attach)
	}
	want := `37 deliveries to https://crm.example/hook were given up.

To look further, or to mend it:

    hookswitch deliveries list --state exhausted --webhook 0199a1b2-0000-7000-8000-000000000000

What             delivery.exhausted
When             2026-11-22T16:00:00.000Z
Webhook          0199a1b2-0000-7000-8000-000000000000
Receiver         https://crm.example/hook
State            enabled, circuit open since 2026-11-22T15:00:00.000Z
First delivery   0190a1b2-0000-7000-8000-000000000001
Interaction      8e09e19f-b8ba-4db0-b6e7-dfc8a7776176 STARTED
Last attempt     number 20: status 503 (over "load")
Source           https://hookswitch.example/v1/contact-centers/default
Count            37

The same for programs is attached as notice.json.

Hookswitch sent this by itself. Who gets such e-mails is said by webhooks whose purpose is "notices":
hookswitch webhooks list
`
	if diff := cmp.Diff(want, p.text); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

// Each kind of notice has a subject in plain words; one that is not known is told by its type.
func TestSubject(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"id":"1","type":"io.hookswitch.delivery.exhausted","subject":"0199a1b2-0000","data":{"count":1,"description":"CRM"}}`: "webhook 0199a1b2… (CRM) failing: 1 delivery given up",
		`{"id":"1","type":"io.hookswitch.webhook.failing","data":{"webhookId":"a-b","givesUpAt":"2026-11-22T16:00:00.000Z"}}`:   "webhook a… failing: deliveries will be given up from 2026-11-22T16:00:00.000Z",
		`{"id":"1","type":"io.hookswitch.webhook.failing","data":{"webhookId":"a-b","disableAt":"2026-11-22T16:00:00.000Z"}}`:   "webhook a… failing: it will be disabled at 2026-11-22T16:00:00.000Z",
		`{"id":"1","type":"io.hookswitch.webhook.failing","data":{"webhookId":"a-b"}}`:                                          "webhook a… failing",
		`{"id":"1","type":"io.hookswitch.webhook.circuitOpened","data":{"webhookId":"a-b"}}`:                                    "webhook a… failing: deliveries are held back",
		`{"id":"1","type":"io.hookswitch.webhook.circuitClosed","data":{"webhookId":"a-b"}}`:                                    "webhook a… works again: deliveries go out",
		`{"id":"1","type":"io.hookswitch.webhook.disabled","data":{"webhookId":"a-b"}}`:                                         "webhook a… disabled by the server",
		`{"id":"1","type":"io.hookswitch.backlog.growing","data":{"webhookId":"a-b"}}`:                                          "webhook a… falls behind: its backlog grows",
		`{"id":"1","type":"io.hookswitch.test","data":{"webhookId":"a-b"}}`:                                                     "webhook a… test of notices",
		`{"id":"1","type":"io.hookswitch.something.else"}`:                                                                      "something.else",
		`{"id":"1","type":"io.hookswitch.test","data":{"webhookId":"a","description":"` + strings.Repeat("ü", 100) + `"}}`:      "webhook a (" + strings.Repeat("ü", 28) + "…) test of notices",
		`{"id":"1","type":"io.hookswitch.test","data":{"webhookId":"a","description":"x\r\nBcc: eve@example.com\u202e\u0000"}}`: "webhook a (x  Bcc: eve@example.com  ) test of notices",
	} {
		if got := compose(t, body).subject; got != "[hookswitch] "+want {
			t.Errorf("%s:\n%q, want\n%q", body, got, want)
		}
	}
}

// An id that cannot be part of a Message-ID is replaced, always by the same.
func TestMessageID(t *testing.T) {
	t.Parallel()
	odd := `{"id":"x>\r\nBcc: eve@example.com","type":"io.hookswitch.test"}`
	first, second := compose(t, odd).header.Get("Message-Id"), compose(t, odd).header.Get("Message-Id")
	if len(first) != len("<@example.com>")+64 || first != second {
		t.Errorf("%q and %q", first, second)
	}
	if other := compose(t, strings.Replace(odd, "eve", "eva", 1)).header.Get("Message-Id"); other == first {
		t.Errorf("another event has the same id %q", other)
	}
}

// Whatever texts a notice holds, the e-mail has the headers that it always has, one address, and the notice as it is.
func TestMessageIsNeverInjected(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string {
			pieces := rapid.SliceOf(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"\r\n", "\n", "\r", "\r\n\r\n", "Bcc: eve@example.com", ".\r\n", "\u2028", "\u202e", "=?utf-8?q?x?="})))
			return strings.Join(pieces.Draw(t, name), "")
		}
		body, err := json.Marshal(map[string]any{
			"id": "i" + text("id"), "type": "t" + text("type"), "subject": text("subject"), "time": text("time"), "source": text("source"),
			"data": map[string]any{
				"message": text("message"), "webhookId": text("webhookId"), "webhookUrl": text("url"), "description": text("description"), "fix": text("fix"),
				"circuit": map[string]any{"state": text("state")}, "delivery": map[string]any{"attempts": 1, "error": text("error"), "event": text("event")},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		p := compose(t, string(body))
		if diff := cmp.Diff(headerNames(), slices.Sorted(maps.Keys(p.header))); diff != "" {
			t.Fatalf("headers (-want +got):\n%s", diff)
		}
		for name, values := range p.header {
			if len(values) != 1 {
				t.Fatalf("%s is there %d times", name, len(values))
			}
		}
		to, err := p.header.AddressList("To")
		if err != nil || len(to) != 1 || to[0].Address != "ops@example.com" {
			t.Fatalf("To: %v, %v", to, err)
		}
		if strings.ContainsAny(p.subject, "\r\n") || p.attach != string(body) {
			t.Fatalf("subject %q, attached %q", p.subject, p.attach)
		}
	})
}
