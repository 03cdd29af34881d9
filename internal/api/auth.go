package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	headerKey    = "X-Api-Key"
	headerCenter = "X-Ccid"
	// headerAuthorization may carry a key or a token.
	headerAuthorization = "Authorization"
	// keyBytesMax bounds the text of a key before it is hashed.
	keyBytesMax = 1_024
)

// access is whom a route is for, beside the permission that its row says it needs.
type access uint8

const (
	// forCenter routes are about one contact centre: the caller's, or the one that x-ccid names. It is the zero value, so that a row of
	// the route table that says nothing asks for a key and must name a permission.
	forCenter access = iota
	// forNamed routes are about the contact centre that their path names.
	forNamed
	// forInstallation routes are about all contact centres and look at no x-ccid: for callers that belong to none and are admins.
	forInstallation
	// open routes are for everybody.
	open
)

// permission is what a caller must have: the row's own, or admin for the installation; it is empty for open routes.
func (r *row) permission() hook.Permission {
	if r.access == forInstallation {
		return hook.PermitAdmin
	}
	return r.needs
}

// undecided says why a row does not tell who may call its route, or nothing.
func (r *row) undecided() string {
	switch {
	case (r.access == open || r.access == forInstallation) && r.needs != "":
		return "is open or for the installation, and yet needs a permission"
	case (r.access == forCenter || r.access == forNamed) && !slices.Contains(hook.Permissions(), r.needs):
		return "says neither which permission it needs nor that it is open or for the installation"
	default:
		return ""
	}
}

// admit is the middleware of every route that is not open.
func (s *Server) admit(r *row) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c := callOf(ctx)
		c.row = r
		if err := s.authorise(c, r); err != nil {
			c.send(nil, err)
			return
		}
		next(c.acting(ctx))
	}
}

// authorise finds who calls, whether that may, and the contact centre that the call is about.
func (s *Server) authorise(c *call, r *row) (err error) {
	if err := singular(c.r.Header); err != nil {
		return err
	}
	if c.by, err = s.caller(c.r); err != nil {
		return err
	}
	if err := r.refuses(&c.by); err != nil || r.access == forInstallation {
		return err
	}
	named := hook.ContactCenterID(c.r.Header.Get(headerCenter))
	switch {
	case c.by.Center != 0:
		return s.speakForOwn(c, c.by.Center, named)
	case r.access == forNamed:
		return nil
	case named == "":
		named = hook.DefaultContactCenter
	}
	center, err := s.store.ContactCenter(named)
	if err != nil {
		return fmt.Errorf("find contact centre: %w", s.unknownCenter(named, err))
	}
	c.center = center
	return nil
}

// singular refuses a request that says twice who calls or for which contact centre: another program on its way may have looked at the
// other one.
func singular(h http.Header) error {
	for _, name := range [...]string{headerKey, headerAuthorization, headerCenter} {
		if len(h[name]) > 1 {
			return newProblem(http.StatusBadRequest, "the header "+strings.ToLower(name)+" is given more than once")
		}
	}
	return nil
}

// refuses is why a caller may not call the route in any contact centre, or nothing.
func (r *row) refuses(by *hook.Caller) error {
	switch {
	case r.access == forInstallation && !by.Administers():
		return newProblem(http.StatusForbidden, "this is for an admin key, or a token with the contact centre * and the permission admin")
	case !by.Permits(r.permission()):
		return newProblem(http.StatusForbidden, "the key or token lacks the permission "+string(r.needs))
	default:
		return nil
	}
}

// caller finds who makes a request. A right key is let in by what is in memory, whatever else came from its address; only a text that is
// not known there is limited, and looked for in the database. A text that has the form of a token is one, where an issuer is configured.
func (s *Server) caller(r *http.Request) (hook.Caller, error) {
	if token := s.tokenText(r.Header); token != "" {
		return s.callerByToken(r, token)
	}
	text := keyText(r.Header)
	if text == "" {
		s.callers.failures.count(failureMissing)
		return hook.Caller{}, unauthorised("a key is needed: send it in x-api-key or as Authorization: Bearer")
	}
	return s.callerByKey(r, text)
}

func (s *Server) callerByKey(r *http.Request, text string) (hook.Caller, error) {
	now, proof := s.clock(), proofOf(text)
	by, err := s.store.CallerOf(proof, now)
	if err == nil {
		return by, nil
	}
	if wait := s.callers.failures.take(r.RemoteAddr, now); wait > 0 {
		return hook.Caller{}, tooManyFailures(wait)
	}
	if wait := s.callers.failures.look(now); wait > 0 {
		return hook.Caller{}, newProblem(http.StatusTooManyRequests, "too many wrong keys come from many addresses; a right key is let in, a new one in a moment").
			with("Retry-After", retryAfterSeconds)
	}
	if by, err = s.store.FindCaller(proof, now); err == nil {
		return by, nil
	}
	return hook.Caller{}, s.refused(err)
}

// proofOf makes the proof of a text, of which a part does when it is longer than any key: it is looked for as any other.
func proofOf(text string) hook.KeyProof { return hook.ProofOf(text[:min(len(text), keyBytesMax)]) }

// CallerOfKey finds who a text belongs to that came as a key in a request: within the limits, and with the errors, of the routes' own
// headers. The errors are of type [Problem].
func (s *Server) CallerOfKey(r *http.Request, text string) (hook.Caller, error) {
	return s.callerByKey(r, text)
}

// refused is the answer to a key that opens nothing. Only who has shown its right text is told more than that.
func (s *Server) refused(err error) *Problem {
	var ended *hook.KeyEndedError
	switch {
	case !errors.As(err, &ended):
		s.callers.failures.count(failureWrong)
		return unauthorised("the key is not valid")
	case ended.ExpiredAt.IsZero():
		s.callers.failures.count(failureDisabled)
	default:
		s.callers.failures.count(failureExpired)
	}
	return unauthorised(ended.Error())
}

func tooManyFailures(wait time.Duration) *Problem {
	return newProblem(http.StatusTooManyRequests, "too many wrong keys or tokens came from this address; a right key is always let in").
		with("Retry-After", wholeSeconds(wait))
}

func (s *Server) speakForOwn(c *call, own hook.ContactCenterNumber, named hook.ContactCenterID) error {
	center, ok := s.centerByNumber(own)
	if !ok {
		return unauthorised("the contact centre of the key or token does not exist")
	}
	if named != "" && named != center.ID {
		return newProblem(http.StatusForbidden, "the key or token belongs to another contact centre than x-ccid names")
	}
	c.center = center
	return nil
}

func (s *Server) unknownCenter(named hook.ContactCenterID, err error) error {
	if p, ok := problemOf(err); ok && (p.Status == http.StatusNotFound || p.Status == http.StatusUnprocessableEntity) {
		return newProblem(http.StatusNotFound, fmt.Sprintf("there is no contact centre with the id %.64q, which x-ccid names", named))
	}
	return err
}

// centerByNumber finds a contact centre by its internal key. Those found are remembered: neither number nor id ever
// changes.
func (s *Server) centerByNumber(number hook.ContactCenterNumber) (hook.ContactCenter, bool) {
	known, _ := s.callers.centers.Load(number)
	if center, ok := known.(hook.ContactCenter); ok {
		return center, true
	}
	for _, center := range s.store.ContactCenters() {
		if center.Number == number {
			s.callers.centers.Store(number, center)
			return center, true
		}
	}
	return hook.ContactCenter{}, false
}

func keyText(h http.Header) string {
	if key := h.Get(headerKey); key != "" {
		return key
	}
	scheme, token, ok := strings.Cut(h.Get(headerAuthorization), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") { // a scheme has no case (RFC 9110, section 11.1)
		return ""
	}
	return strings.TrimSpace(token)
}

// unauthorised is the 401 with the challenge that RFC 9110, section 11.6.1, demands.
func unauthorised(detail string) *Problem {
	return newProblem(http.StatusUnauthorized, detail).with("WWW-Authenticate", `Bearer realm="hookswitch"`)
}
