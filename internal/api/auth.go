package api

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	headerKey    = "X-Api-Key"
	headerCenter = "X-Ccid"
	// keyBytesMax bounds the text of a key before it is hashed.
	keyBytesMax = 1_024
)

// access is who may call a route.
type access uint8

const (
	// forCenter routes are for a key of the contact centre, or an admin key that speaks for it. It is the zero value, so
	// that a row of the route table that says nothing asks for a key.
	forCenter access = iota
	// forAdmin routes are for an admin key; they are about the installation and look at no x-ccid.
	forAdmin
	// open routes are for everybody.
	open
)

// admit is the middleware of every route that is not open.
func (s *Server) admit(a access) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c := callOf(ctx)
		if err := s.authenticate(c, a); err != nil {
			c.send(nil, err)
			return
		}
		next(c.acting(ctx))
	}
}

// authenticate finds the key and the contact centre that the call speaks for. Keys are looked up by their hash, so no
// comparison takes longer the more of a key was guessed.
func (s *Server) authenticate(c *call, a access) error {
	text := keyText(c.r.Header)
	if text == "" {
		return unauthorised("a key is needed: send it in x-api-key or as Authorization: Bearer")
	}
	if len(text) > keyBytesMax {
		return unauthorised("the key is not valid")
	}
	key, ok := s.store.KeyByHash(sha256.Sum256([]byte(text)))
	if !ok {
		return unauthorised("the key is not valid")
	}
	c.by = key
	named := hook.ContactCenterID(c.r.Header.Get(headerCenter))
	switch {
	case a == forAdmin && key.Center != 0:
		return newProblem(http.StatusForbidden, "this is for an admin key")
	case a == forAdmin:
		return nil
	case key.Center != 0:
		return s.speakForOwn(c, key.Center, named)
	case named == "":
		named = hook.DefaultContactCenter
	}
	center, err := s.store.ContactCenter(named)
	if err != nil {
		return fmt.Errorf("find contact centre: %w", s.unknownCenter(err))
	}
	c.center = center
	return nil
}

func (s *Server) speakForOwn(c *call, own hook.ContactCenterNumber, named hook.ContactCenterID) error {
	center, ok := s.centerByNumber(own)
	if !ok {
		return unauthorised("the key's contact centre does not exist")
	}
	if named != "" && named != center.ID {
		return newProblem(http.StatusForbidden, "the key belongs to another contact centre than x-ccid names")
	}
	c.center = center
	return nil
}

func (s *Server) unknownCenter(err error) error {
	if p, ok := problemOf(err); ok && (p.Status == http.StatusNotFound || p.Status == http.StatusUnprocessableEntity) {
		return newProblem(http.StatusNotFound, "there is no contact centre with the id that x-ccid names")
	}
	return err
}

// centerByNumber finds a contact centre by its internal key. Those found are remembered: neither number nor id ever
// changes.
func (s *Server) centerByNumber(number hook.ContactCenterNumber) (hook.ContactCenter, bool) {
	known, _ := s.centers.Load(number)
	if center, ok := known.(hook.ContactCenter); ok {
		return center, true
	}
	for _, center := range s.store.ContactCenters() {
		if center.Number == number {
			s.centers.Store(number, center)
			return center, true
		}
	}
	return hook.ContactCenter{}, false
}

func keyText(h http.Header) string {
	if key := h.Get(headerKey); key != "" {
		return key
	}
	scheme, token, ok := strings.Cut(h.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") { // a scheme has no case (RFC 9110, section 11.1)
		return ""
	}
	return strings.TrimSpace(token)
}

// unauthorised is the 401 with the challenge that RFC 9110, section 11.6.1, demands.
func unauthorised(detail string) *Problem {
	return newProblem(http.StatusUnauthorized, detail).with("WWW-Authenticate", `Bearer realm="hookswitch"`)
}
