package console

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/signature"
)

const (
	// testsMax is how many tests of webhooks are under way at a time.
	testsMax = 16
	// testSecretNext is the value of the field that has the next secret tried.
	testSecretNext = "next"
)

// webhookTestPage answers: what does the receiver say?
type webhookTestPage struct {
	frame
	Webhook *hook.Webhook
	// Rotating is whether there is a next secret that can be tried, and Next whether it was.
	Rotating, Next bool
	// Attempt is nil before the test.
	Attempt *hook.Attempt
	// Causes say why a signature may be wrong.
	Causes []signatureCause
	Check  signatureCheck
}

// Acknowledged reports whether the receiver took it.
func (p *webhookTestPage) Acknowledged() bool { return p.Attempt != nil && p.Attempt.Acknowledged() }

// Cause explains a failure.
func (p *webhookTestPage) Cause() cause { return causeOf(p.Attempt.Failure, p.Attempt.Status) }

// Mail reports whether the webhook sends e-mail.
func (p *webhookTestPage) Mail() bool { return isMail(p.Webhook) }

// Response is what the receiver answered, as a text.
func (p *webhookTestPage) Response() string {
	if p.Attempt == nil {
		return ""
	}
	return printable(p.Attempt.Response)
}

// Problem is the error as it can be shown.
func (p *webhookTestPage) Problem() string { return printable([]byte(p.Attempt.Error)) }

// showTestWebhook shows what a test does, before one is sent.
func (s *Server) showTestWebhook(c *call) (answer, error) {
	w, err := s.webhookOf(c)
	if err != nil {
		return answer{}, err
	}
	return show("webhook-test", &webhookTestPage{frame: c.frame("Test a webhook").about(nameOfWebhook(w)), Webhook: w, Rotating: !w.Secrets.Next.IsZero()}), nil
}

// testWebhook sends a test and shows what came of it. Nothing is stored, so that it is no matter how often the form is sent.
func (s *Server) testWebhook(c *call) (answer, error) {
	w, err := s.webhookOf(c)
	if err != nil {
		return answer{}, err
	}
	page := &webhookTestPage{frame: c.frame("Test a webhook").about(nameOfWebhook(w)), Webhook: w, Rotating: !w.Secrets.Next.IsZero(), Next: c.r.PostFormValue("secret") == testSecretNext}
	tried := w
	if page.Next {
		secrets, err := w.Secrets.Trial()
		if err != nil {
			return refused(err, c.url("webhooks", w.ID.String()))
		}
		trial := *w
		trial.Secrets, tried = secrets, &trial
	}
	if tried.Locked() {
		return answer{}, hook.ErrLocked
	}
	attempt, err := s.test(c, tried)
	if err != nil {
		return answer{}, err
	}
	page.Attempt = &attempt
	if doubtsSignature(&attempt) && !isMail(w) {
		page.Causes, page.Check = causesOf(tried, w, &attempt, c.now), checkOf(tried)
	}
	return show("webhook-test", page), nil
}

// test sends a test. Who waits for a receiver takes no place from those for whom a page is made.
func (s *Server) test(c *call, w *hook.Webhook) (hook.Attempt, error) {
	if s.options.Tester == nil {
		return hook.Attempt{}, &hook.ConflictError{Verb: "send a test", State: "that this server sends no webhooks", Detail: "ask one that does"}
	}
	select {
	case s.tests <- struct{}{}:
		defer func() { <-s.tests }()
	default:
		return hook.Attempt{}, errBusy
	}
	<-s.pages
	defer func() { s.pages <- struct{}{} }()
	return s.options.Tester.Test(c.ctx(), w), nil
}

// doubtsSignature reports whether a receiver seems to say that a signature is wrong: by a status that refuses the sender, or in words.
func doubtsSignature(a *hook.Attempt) bool {
	if a.Failure != hook.FailureStatus {
		return false
	}
	if a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden {
		return true
	}
	said := strings.ToLower(string(a.Response))
	return slices.ContainsFunc([]string{"signature", "hmac", "unauthor", "x-hub", "whsec", string(signature.WrongSecret), string(signature.BodyChanged)}, func(word string) bool {
		return strings.Contains(said, word)
	})
}

// signatureCheck is how a person finds out whether the receiver has the secret that signs here: the same text is signed on both sides.
// What is shown tells no more of the secret than any POST does.
type signatureCheck struct{ Text, Signature, Command, OpenSSL string }

func checkOf(w *hook.Webhook) signatureCheck {
	text := "webhook " + w.ID.String()
	return signatureCheck{
		Text: text, Signature: signature.NewSigner([]byte(w.Secrets.Current.Reveal())).Hub256([]byte(text)),
		Command: "printf '%s' '" + text + "' | hookswitch sign --signatures sha256",
		OpenSSL: "printf '%s' '" + text + `' | openssl dgst -sha256 -hmac "$HOOKSWITCH_SECRET"`,
	}
}

// signatureCause is why a receiver may find a signature wrong, and how to find out.
type signatureCause struct {
	Title, Text string
	// Commands are to be run where the receiver is.
	Commands []string
	// Said is whether the receiver itself gave this reason; Check shows how to compare secrets.
	Said, Check bool
	reasons     []signature.Reason
}

// causesOf lists why a receiver may find the signature wrong, the most likely first: what the receiver says itself, a rotation that is
// under way, and then what is most often met.
func causesOf(tried, w *hook.Webhook, a *hook.Attempt, now time.Time) []signatureCause {
	list := []signatureCause{secretCause(), bodyCause(), headerCause(tried), rotationCause(w, tried, now), proxyCause(), clockCause(now), otherCause(w)}
	said := strings.ToLower(string(a.Response))
	rank := func(c *signatureCause) int {
		switch {
		case c.Said:
			return 0
		case slices.Contains(c.reasons, reasonRotation) && (!w.Secrets.Next.IsZero() || !w.Secrets.Previous.IsZero()):
			return 1
		default:
			return 2
		}
	}
	for i := range list {
		list[i].Said = slices.ContainsFunc(list[i].reasons, func(r signature.Reason) bool { return strings.Contains(said, string(r)) })
	}
	slices.SortStableFunc(list, func(x, y signatureCause) int { return rank(&x) - rank(&y) })
	return list
}

// reasonRotation marks the cause that no receiver can name.
const reasonRotation signature.Reason = "rotation-in-progress"

func secretCause() signatureCause {
	return signatureCause{
		Title: "The receiver has another secret", Check: true, reasons: []signature.Reason{signature.WrongSecret, signature.NoSecret},
		Text: "It may have the secret of another webhook or environment, white space or a line end around it, or only what is behind whsec_: X-Hub-Signature is made with the whole text.",
	}
}

func bodyCause() signatureCause {
	return signatureCause{
		Title: "The receiver verifies a body that was parsed and written again", reasons: []signature.Reason{signature.BodyChanged},
		Text: "The raw bytes are signed. In Express take express.raw, in Flask request.get_data(), in Go io.ReadAll(r.Body). Have the receiver keep the headers and the bytes that it verifies; this says what has changed:",
		Commands: []string{
			"hookswitch verify body.json --secret-file app.secret --headers-file headers.txt",
		},
	}
}

func headerCause(w *hook.Webhook) signatureCause {
	sent := "X-Hub-Signature (sha1=, SHA-1 in hex)"
	if slices.Contains(w.Settings.Signatures, hook.SignatureSHA256) {
		sent += ", X-Hub-Signature-256 (sha256=, SHA-256 in hex)"
	}
	if slices.Contains(w.Settings.Signatures, hook.SignatureStandard) {
		sent += ", webhook-signature (v1, and SHA-256 in base64)"
	}
	return signatureCause{
		Title: "SHA-1 is compared with SHA-256, or hex with base64", Text: "This webhook sends: " + sent + ". Compare the whole value with its prefix, and the algorithm that it names.",
		reasons: []signature.Reason{signature.NoHeader, signature.UnknownAlgorithm, signature.MalformedHex, signature.MalformedBase64, signature.Base64NotHex},
	}
}

func rotationCause(w, tried *hook.Webhook, now time.Time) signatureCause {
	c := signatureCause{Title: "A rotation of the secret is under way", reasons: []signature.Reason{reasonRotation}}
	switch {
	case !w.Secrets.Next.IsZero() && tried != w:
		c.Text = "This test was signed with the next secret alone: the receiver does not know it yet. Give it both, test again, and promote then."
	case !w.Secrets.Next.IsZero():
		c.Text = "There is a next secret. X-Hub-Signature is still made with the current one: the receiver must not have dropped that before the promotion."
	case !w.Secrets.Previous.IsZero() && !w.Secrets.PreviousEnded(now):
		c.Text = "The secret was promoted, and the receiver may still have the previous one alone. X-Hub-Signature is made with the current one; only webhook-signature has both."
	default:
		c.Title = "The secret was rotated, and the receiver was not told"
		c.Text = "No rotation is under way now. One that is over leaves a receiver with the old secret alone: the audit log has secret.promote then."
	}
	return c
}

func proxyCause() signatureCause {
	return signatureCause{
		Title: "A proxy changes the body or drops headers",
		Text:  "One that decompresses, re-encodes or rewrites JSON breaks every signature. Send the same test past it, to a receiver on this machine, and compare:",
		Commands: []string{
			"hookswitch listen --secret-file app.secret",
		},
	}
}

func clockCause(now time.Time) signatureCause {
	return signatureCause{
		Title: "A clock is wrong", reasons: []signature.Reason{signature.StaleTimestamp, signature.MalformedTimestamp, signature.NoID},
		Text: "Only webhook-signature has a time: libraries refuse one that is more than " + lasts(signature.ToleranceDefault) + " away. When this page was made, it was " + clock(now) + " UTC here. Compare:",
		Commands: []string{
			"date -u",
		},
	}
}

func otherCause(w *hook.Webhook) signatureCause {
	c := signatureCause{Title: "It is not about the signature", Text: "A receiver that wants a user name, a token or a header answers in the same way. "}
	switch {
	case w.Settings.Authorization.Basic != nil:
		c.Text += "This webhook sends a user name and a password: are they right?"
	case w.Settings.Authorization.OAuth2 != nil:
		c.Text += "This webhook sends a bearer token: are its scopes and its audience right?"
	default:
		c.Text += "This webhook sends no authorization but its own headers: set one in its settings."
	}
	return c
}
