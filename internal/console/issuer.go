package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// signInMax is how long somebody may take to sign in elsewhere.
	signInMax = 10 * time.Minute
	// signInsMax is how many requests wait for the issuer at a time.
	signInsMax = 64
	// troubleLogEvery is the pause between two log lines about sign-ins that fail.
	troubleLogEvery = time.Second

	cookieSignIn = "hookswitch-sign-in"
	aboutSignIn  = "console sign-in"

	issuerPath   = Path + "sign-in/oidc"
	callbackPath = Path + "sign-in/callback"
)

// Issuer signs people in elsewhere, and sends their browsers back; internal/signin has one.
type Issuer interface {
	// Host is how people know it.
	Host() string
	// Begin returns where the browser goes, and what to keep for it alone until it comes back.
	Begin(ctx context.Context, callback string) (location string, state []byte, err error)
	// Finish returns who came back, and until when that is so. An error for the person is a [*hook.SignInError].
	Finish(ctx context.Context, state []byte, query url.Values) (caller hook.Caller, until time.Time, err error)
}

// pendingSignIn is what the browser keeps, sealed, while somebody signs in elsewhere. Only the browser that began can finish, so that nobody
// is signed in as somebody else by a link.
type pendingSignIn struct {
	State []byte    `json:"state"`
	Next  string    `json:"next"`
	Until time.Time `json:"until"`
}

// issuerHost names the issuer on the form; empty where none is configured.
func (s *Server) issuerHost() string {
	if s.options.Issuer == nil {
		return ""
	}
	return s.options.Issuer.Host()
}

// beginSignIn sends somebody to the issuer. A link of another site leads to the form only: whoever signs in has chosen that here.
func (s *Server) beginSignIn(c *call) (answer, error) {
	if s.options.Issuer == nil {
		return answer{}, hook.ErrNotFound
	}
	next := nextOf(c.r.FormValue("next"))
	if site := c.r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" { // Fetch Metadata Request Headers, section 2.4
		return goTo(signInPath + "?" + url.Values{"next": {next}}.Encode()), nil
	}
	if err := c.leave(); err != nil {
		return answer{}, err
	}
	defer c.comeBack()
	location, state, err := s.options.Issuer.Begin(c.ctx(), s.options.PublicURL+callbackPath)
	if err != nil {
		return c.trouble(err, next)
	}
	if err := c.seal(cookieSignIn, aboutSignIn, &pendingSignIn{State: state, Next: next, Until: c.now.Add(signInMax)}, signInMax); err != nil {
		return answer{}, err
	}
	return goTo(location), nil
}

// finishSignIn lets somebody in who comes back from the issuer.
func (s *Server) finishSignIn(c *call) (answer, error) {
	if s.options.Issuer == nil {
		return answer{}, hook.ErrNotFound
	}
	var begun pendingSignIn
	if !c.open(cookieSignIn, aboutSignIn, &begun) || !c.now.Before(begun.Until) {
		begun = pendingSignIn{Next: Path}
	}
	c.drop(cookieSignIn) // it is good for one answer
	if err := c.leave(); err != nil {
		return answer{}, err
	}
	defer c.comeBack()
	caller, until, err := s.options.Issuer.Finish(c.ctx(), begun.State, c.r.URL.Query())
	if err != nil {
		return c.trouble(err, begun.Next)
	}
	if err := c.begin(session{Caller: &caller, Until: until}); err != nil {
		return answer{}, err
	}
	return goTo(begun.Next), nil // as it was sealed
}

// leave gives the place among those for whom a page is made to others, while the issuer is asked.
func (c *call) leave() error {
	select {
	case c.server.elsewhere <- struct{}{}:
		<-c.server.pages
		return nil
	default:
		return errBusy
	}
}

// comeBack takes the place again, for which others have to be done.
func (c *call) comeBack() {
	<-c.server.elsewhere
	c.server.pages <- struct{}{}
}

// trouble shows the form with what the issuer said, or what was wrong with it.
func (c *call) trouble(err error, next string) (answer, error) {
	met, ok := errors.AsType[*hook.SignInError](err)
	if !ok {
		return answer{}, err
	}
	page := &signInPage{frame: c.frame("Sign in"), Next: next, Issuer: c.server.issuerHost(), Trouble: met.Text}
	a := show("signin", page)
	switch met.Problem {
	case hook.SignInAway:
		a.status = http.StatusServiceUnavailable
		c.w.Header().Set("Retry-After", strconv.Itoa(int(max(met.RetryAfter, time.Second)/time.Second)))
	case hook.SignInAgain:
		a.status = http.StatusBadRequest
	case hook.SignInRefused:
		a.status = http.StatusForbidden
	case hook.SignInMisset:
		a.status = http.StatusBadGateway
	}
	c.server.logTrouble(c.now, met)
	return a, nil
}

// logTrouble tells the operator what only they can mend, and not more often than lines are read.
func (s *Server) logTrouble(now time.Time, met *hook.SignInError) {
	if met.Cause == nil || met.Problem != hook.SignInAway && met.Problem != hook.SignInMisset {
		return
	}
	last := s.troubleAt.Load()
	if now.UnixMilli()-last >= troubleLogEvery.Milliseconds() && s.troubleAt.CompareAndSwap(last, now.UnixMilli()) {
		s.options.Log.Warn("nobody can sign in to the console with the issuer", "error", met.Cause)
	}
}
