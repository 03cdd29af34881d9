package console

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// secretPrefix begins a generated secret: the form in which Standard Webhooks libraries take one.
	secretPrefix = "whsec_"
	// listenDefault is where `hookswitch listen` listens.
	listenDefault = "127.0.0.1:8481"
)

// The steps of a rotation, as the forms name them.
const (
	rotateNext     = "next"
	rotatePromote  = "promote"
	rotatePrevious = "expire-previous"
	rotateCancel   = "expire-next"
)

// newSecret makes an app secret.
func (s *Server) newSecret() (string, error) {
	var random [hook.SecretBytesGenerated]byte
	if _, err := io.ReadFull(s.options.Random, random[:]); err != nil {
		return "", fmt.Errorf("read randomness: %w", err)
	}
	return secretPrefix + base64.StdEncoding.EncodeToString(random[:]), nil
}

// rotationView is where a webhook is in the rotation of its secrets.
type rotationView struct {
	// Next is whether there is a next secret, and PreviousUntil until when the previous one signs; zero is none.
	Next          bool
	PreviousUntil time.Time
	// Step is the next one to be done, from 1 to 4.
	Step int
	// Keeps are how long the previous secret may be kept.
	Keeps []hook.Duration
}

func rotationOf(s *hook.Secrets, now time.Time) rotationView {
	v := rotationView{Next: !s.Next.IsZero(), Step: 1, Keeps: []hook.Duration{
		hook.Duration(hook.KeepPreviousDefault), 0, hook.Duration(time.Hour), hook.Duration(7 * 24 * time.Hour), hook.Duration(hook.KeepPreviousMax),
	}}
	if !s.Previous.IsZero() && !s.PreviousEnded(now) {
		v.PreviousUntil, v.Step = s.PreviousUntil, 4
	}
	if v.Next {
		v.Step = 2
	}
	return v
}

// Current is whether a step is the one to be done, for aria-current.
func (v rotationView) Current(step int) bool { return v.Step == step }

// keepsFor is a time to keep the previous secret, in words.
func keepsFor(d hook.Duration) string {
	if d == 0 {
		return "not at all"
	}
	return lasts(time.Duration(d))
}

// webhookSecretPage shows a secret, in the only answer that does.
type webhookSecretPage struct {
	frame
	Webhook *hook.Webhook
	Secret  string
	// Next is whether it is the next secret of a rotation, and not the first one of a webhook.
	Next bool
}

func (c *call) secretPage(w *hook.Webhook, secret string, next bool) *webhookSecretPage {
	p := &webhookSecretPage{frame: c.frame("The webhook was created").about(nameOfWebhook(w)), Webhook: w, Secret: secret, Next: next}
	if next {
		p.Title = "The next secret was added"
	}
	return p
}

// Mail reports whether the webhook sends e-mail, in which nobody verifies anything.
func (p *webhookSecretPage) Mail() bool { return isMail(p.Webhook) }

func isMail(w *hook.Webhook) bool { return strings.HasPrefix(w.Settings.URL, "mailto:") }

// Variable sets the secret where the receiver runs. The next one has another name: until the promotion both are needed.
func (p *webhookSecretPage) Variable() string {
	if p.Next {
		return "export HOOKSWITCH_SECRET_NEXT=" + shellQuote(p.Secret)
	}
	return "export HOOKSWITCH_SECRET=" + shellQuote(p.Secret)
}

// Listen is the command that receives the webhook on this machine.
func (p *webhookSecretPage) Listen() string {
	command := "hookswitch listen"
	if at := listenAt(p.Webhook.Settings.URL); at != "" && at != listenDefault {
		command += " --listen " + at
	}
	if p.Next {
		command += ` --secret-file <(echo "$HOOKSWITCH_SECRET") --secret-file <(echo "$HOOKSWITCH_SECRET_NEXT")`
	}
	return command
}

// listenAt is the address of this machine that a URL names, or nothing.
func listenAt(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" {
		return ""
	}
	ip := net.ParseIP(u.Hostname())
	if port := u.Port(); port != "" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
		return net.JoinHostPort(u.Hostname(), port)
	}
	return ""
}

// receiverSnippet is a receiver in Go.
const receiverSnippet = `handler, err := receiver.New(receiver.Config{
	Secrets: [][]byte{[]byte(os.Getenv("HOOKSWITCH_SECRET"))},
	Handle: func(ctx context.Context, e interaction.EntityEvent, d receiver.Delivery) error {
		log.Println(e.Event, e.Entity.MediaType, e.Entity.ID)
		return nil // an error has this event delivered again
	},
})
if err != nil {
	log.Fatal(err)
}
log.Fatal(http.ListenAndServe("127.0.0.1:8481", handler))`

// Snippet is a receiver in Go.
func (p *webhookSecretPage) Snippet() string {
	const one = `[]byte(os.Getenv("HOOKSWITCH_SECRET"))`
	if p.Next {
		return strings.Replace(receiverSnippet, one, one+`, []byte(os.Getenv("HOOKSWITCH_SECRET_NEXT"))`, 1)
	}
	return receiverSnippet
}

// rotateSecrets does a step of a rotation.
func (s *Server) rotateSecrets(c *call) (answer, error) {
	w, err := s.webhookOf(c)
	if err != nil {
		return answer{}, err
	}
	location := c.url("webhooks", w.ID.String())
	step, said := c.r.PostFormValue("step"), ""
	var secret string
	change := func(*hook.Secrets) error {
		return &hook.InvalidError{Fields: []hook.FieldError{{Field: "step", Message: "is none of a rotation"}}}
	}
	switch step {
	case rotateNext:
		if secret, err = s.nextSecret(c); err != nil {
			return s.secretFault(c, err)
		}
		change = func(secrets *hook.Secrets) error { return secrets.AddNext(hook.NewSecret(secret)) }
	case rotatePromote:
		keep, ok := keepPrevious(c.r.PostFormValue("keepPrevious"))
		if !ok {
			return goTo(location).warning(fmt.Sprintf("Not done: the previous secret can be kept for 0s to %s.", hook.Duration(hook.KeepPreviousMax))), nil
		}
		change = func(secrets *hook.Secrets) error { return secrets.Promote(c.now, keep) }
		said = "The next secret is the current one now. The receiver can drop the old one."
	case rotatePrevious:
		change, said = (*hook.Secrets).ExpirePrevious, "The previous secret signs nothing any more."
	case rotateCancel:
		change, said = (*hook.Secrets).CancelNext, "The rotation was given up: the next secret is forgotten."
	}
	rotated, err := s.options.Store.RotateSecrets(c.ctx(), c.center.Number, w.ID, c.now, once(c, func(*hook.Webhook) string { return location }), change)
	switch {
	case err != nil:
		return refused(err, location)
	case step == rotateNext:
		return show("webhook-secret", c.secretPage(rotated, secret, true)), nil
	default:
		return goTo(location).saying(said), nil
	}
}

// keepPrevious reads how long the previous secret is kept.
func keepPrevious(text string) (keep time.Duration, ok bool) {
	var d hook.Duration
	err := d.UnmarshalText([]byte(text))
	return time.Duration(d), err == nil && d >= 0 && time.Duration(d) <= hook.KeepPreviousMax
}

// nextSecret is the one that was given, or a new one.
func (s *Server) nextSecret(c *call) (string, error) {
	if given := c.r.PostFormValue("secret"); given != "" {
		return given, hook.ValidateSecret("secret", given)
	}
	return s.newSecret()
}

// secretFault shows the page again with what is wrong with a secret that was given.
func (s *Server) secretFault(c *call, err error) (answer, error) {
	wrong, ok := faultsOf(err)
	if !ok {
		return answer{}, err
	}
	page, err := s.webhookPage(c)
	if err != nil {
		return answer{}, err
	}
	page.Fault = "The secret " + wrong["secret"] + "."
	return answer{status: http.StatusUnprocessableEntity, page: "webhook", view: page}, nil
}
