package bearer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// everyCenter is the contact centre's claim of a caller that may speak for each of them.
	everyCenter = "*"
	// subjectBytesMax bounds how much of a subject the audit log shows.
	subjectBytesMax = 128
	// actorPrefix stands before the subject.
	actorPrefix = "oidc "
)

// Claims are those of a token whose signature is verified.
type Claims map[string]any

func decode(payload []byte) (held Claims, ok bool) {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	err := d.Decode(&held)
	return held, err == nil && held != nil
}

// notYet reports whether the token becomes valid later. The library refuses what is no number.
func (c Claims) notYet(now time.Time) bool {
	n, ok := c["nbf"].(json.Number)
	if !ok {
		return false
	}
	seconds, err := n.Float64()
	return err != nil || seconds > float64(now.Add(skewMax).Unix())
}

// isFor reports whether the audience, one text or a list of them (RFC 7519, section 4.1.3), holds this one.
func (c Claims) isFor(audience string) bool {
	switch said := c["aud"].(type) {
	case string:
		return said == audience
	case []any:
		return slices.Contains(said, any(audience))
	}
	return false
}

// Find returns the claim at a path: names with dots between them.
func (c Claims) Find(path string) (any, bool) { return find(c, path) }

// find returns the claim at a path. A claim whose name is the whole path comes first, because names may be URLs and have dots in
// them; then every dot may be the one that leads into a nested object, so that the names of objects may have dots too.
func find(held map[string]any, path string) (any, bool) {
	if value, ok := held[path]; ok {
		return value, true
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if inner, ok := held[path[:i]].(map[string]any); ok {
			if value, ok := find(inner, path[i+1:]); ok {
				return value, true
			}
		}
	}
	return nil, false
}

// Caller makes a caller of claims. An error is [*hook.TokenError], or that of [Options].Center.
func (i *Issuer) Caller(held Claims) (hook.Caller, error) {
	o := &i.options
	subject, _ := held["sub"].(string)
	if subject == "" {
		return hook.Caller{}, &hook.TokenError{Reason: "has no subject (sub)"}
	}
	center, err := o.center(held)
	if err != nil {
		return hook.Caller{}, err
	}
	value, _ := find(held, o.PermissionsClaim)
	return hook.Caller{Center: center, Permissions: permissions(value, o.PermissionsPrefix), Actor: actor(subject)}, nil
}

func (o *Options) center(held Claims) (hook.ContactCenterNumber, error) {
	value, ok := find(held, o.CenterClaim)
	if !ok {
		return 0, &hook.TokenError{Reason: "has no claim " + o.CenterClaim + ", which names the contact centre"}
	}
	text, ok := value.(string)
	if !ok {
		return 0, &hook.TokenError{Reason: "has a claim " + o.CenterClaim + " that is no text"}
	}
	if text == everyCenter {
		return 0, nil
	}
	unknown := &hook.TokenError{Reason: "names in " + o.CenterClaim + " a contact centre that does not exist"}
	id, err := hook.ParseContactCenterID(text)
	if err != nil {
		return 0, unknown
	}
	center, err := o.Center(id)
	switch {
	case errors.Is(err, hook.ErrNotFound):
		return 0, unknown
	case err != nil:
		return 0, fmt.Errorf("find contact centre: %w", err)
	case center.Number == 0: // it would be every one
		return 0, unknown
	}
	return center.Number, nil
}

// permissions returns those that a claim names, a list of texts or one text with spaces between (as that of scope, RFC 6749, section
// 3.3), in the order of [hook.Permissions]. With a prefix, what does not begin with it is for somebody else.
func permissions(value any, prefix string) []hook.Permission {
	named := map[string]bool{}
	add := func(text string) {
		if name, ok := strings.CutPrefix(text, prefix); ok {
			named[name] = true
		}
	}
	switch value := value.(type) {
	case string:
		for text := range strings.FieldsSeq(value) {
			add(text)
		}
	case []any:
		for _, item := range value {
			if text, ok := item.(string); ok {
				add(text)
			}
		}
	}
	return slices.DeleteFunc(hook.Permissions(), func(p hook.Permission) bool { return !named[string(p)] })
}

// actor names a subject. One that cannot be shown as it is gets a piece of its hash behind it, so that two never look the same.
func actor(subject string) hook.Actor {
	shown := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' { // a space, too: what follows the subject is ours
			return '?'
		}
		return r
	}, subject[:min(len(subject), subjectBytesMax)])
	if shown != subject {
		sum := sha256.Sum256([]byte(subject))
		shown += "#" + hex.EncodeToString(sum[:8])
	}
	return hook.Actor(actorPrefix + shown)
}
