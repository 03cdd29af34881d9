package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// signInPath is where somebody signs in.
const signInPath = Path + "sign-in"

// signInPage asks who somebody is.
type signInPage struct {
	frame
	// Next is where to go afterwards.
	Next string
	// Problem is why the last try with a key failed, and Trouble why that with the issuer did.
	Problem, Trouble string
	// Issuer is the host of the issuer; empty where none is configured.
	Issuer string
}

// goHome sends those who came to the server's address to the console.
func (s *Server) goHome(*call) (answer, error) { return goTo(Path), nil }

// showSignIn shows the form.
func (s *Server) showSignIn(c *call) (answer, error) {
	return show("signin", &signInPage{frame: c.frame("Sign in"), Next: nextOf(c.r.FormValue("next")), Issuer: s.issuerHost()}), nil
}

// signIn lets somebody in by a key.
func (s *Server) signIn(c *call) (answer, error) {
	next, text := nextOf(c.r.PostFormValue("next")), strings.TrimSpace(c.r.PostFormValue("key"))
	refuse := func(status int, problem string) (answer, error) {
		a := show("signin", &signInPage{frame: c.frame("Sign in"), Next: next, Problem: problem, Issuer: s.issuerHost()})
		a.status = status
		return a, nil
	}
	if text == "" {
		return refuse(http.StatusUnprocessableEntity, "Paste a key.")
	}
	if _, err := s.options.Key(c.r, text); err != nil {
		status := http.StatusUnauthorized
		var known interface{ GetStatus() int }
		if errors.As(err, &known) {
			status = known.GetStatus()
		}
		return refuse(status, "You were not let in: "+err.Error()+".")
	}
	proof := hook.ProofOf(text)
	if err := c.begin(session{Key: &proof, Until: c.now.Add(sessionMax)}); err != nil {
		return answer{}, err
	}
	return goTo(next), nil
}

// signOut ends the session.
func (s *Server) signOut(c *call) (answer, error) {
	c.end()
	return goTo(signInPath).saying("You are signed out."), nil
}

// askToSignIn sends somebody to the form, and back afterwards to a page that can be looked at again: where the session has ended before a form was
// sent, to the page with that form, and says that nothing was done.
func (c *call) askToSignIn() answer {
	if wantsEvents(c.r) { // nobody reads it: the page that is updated says that it is not any more
		return c.problemPage(http.StatusUnauthorized, "Signed out", "Sign in again.")
	}
	if c.r.Method == http.MethodGet {
		return goTo(signInAndGoOn(c.r.URL.RequestURI()))
	}
	// Every page asks browsers to name it in requests to its own origin (Referrer Policy, section 3.3), and package gate lets no others through.
	from := ""
	if page, err := url.Parse(c.r.Referer()); err == nil {
		from = nextOf(page.RequestURI())
	}
	return goTo(signInAndGoOn(from)).warning("Not done: your session has ended before the form was sent. Sign in, and you come back to its page; what you had entered has to be entered again.")
}

// signInAndGoOn is the form for signing in that goes on at a page.
func signInAndGoOn(next string) string {
	if next == "" || next == Path {
		return signInPath
	}
	return signInPath + "?" + url.Values{"next": {next}}.Encode()
}

// nextOf returns where to go after the sign-in: a page of the console, whatever a link says.
func nextOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(u.Path, Path) || strings.Contains(u.Path, "..") || strings.ContainsAny(text, "\\\r\n") {
		return Path
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String()
}
