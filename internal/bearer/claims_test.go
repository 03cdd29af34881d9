package bearer_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/bearer"
	"github.com/hookswitch/hookswitch/internal/hook"
)

func TestClaims(t *testing.T) {
	write, read := hook.PermitInteractionsWrite, hook.PermitInteractionsRead
	type claim = map[string]any
	for name, c := range map[string]struct {
		center, permissions, prefix string
		claims                      claim
		want                        hook.Caller
	}{
		"every centre": {"", "", "", claim{"hookswitch_ccid": "*"}, hook.Caller{Permissions: []hook.Permission{write}}},
		"scope":        {"", "scope", "", claim{"scope": "openid interactions:write  interactions:read"}, hook.Caller{Center: 2, Permissions: []hook.Permission{write, read}}},
		"prefix": {
			"", "scope", "hookswitch:",
			claim{"scope": "admin hookswitch:interactions:read interactions:write"},
			hook.Caller{Center: 2, Permissions: []hook.Permission{read}},
		},
		"nested": {
			"org.ccid", "realm_access.roles", "hs-",
			claim{"org": claim{"ccid": "default"}, "realm_access": claim{"roles": []any{"hs-admin", "admin", 7, nil}}},
			hook.Caller{Center: 1, Permissions: []hook.Permission{hook.PermitAdmin}},
		},
		"names with dots": {
			"https://hookswitch.example/ccid", "resource_access.my.client.roles", "",
			claim{"https://hookswitch.example/ccid": "default", "resource_access": claim{"my.client": claim{"roles": []any{"events:read"}}}},
			hook.Caller{Center: 1, Permissions: []hook.Permission{hook.PermitEventsRead}},
		},
		"the whole name first":   {"a.b", "", "", claim{"a.b": "default", "a": claim{"b": "north"}}, hook.Caller{Center: 1, Permissions: []hook.Permission{write}}},
		"no permissions":         {"", "", "", claim{"hookswitch_permissions": nil}, hook.Caller{Center: 2}},
		"permissions a number":   {"", "", "", claim{"hookswitch_permissions": 1}, hook.Caller{Center: 2}},
		"permissions an object":  {"", "", "", claim{"hookswitch_permissions": claim{"admin": true}}, hook.Caller{Center: 2}},
		"twice":                  {"", "", "", claim{"hookswitch_permissions": []any{"admin", "admin"}}, hook.Caller{Center: 2, Permissions: []hook.Permission{hook.PermitAdmin}}},
		"a text within the list": {"", "", "", claim{"hookswitch_permissions": []any{"admin webhooks"}}, hook.Caller{Center: 2}},
		"upper case":             {"", "", "", claim{"hookswitch_permissions": []any{"Admin"}}, hook.Caller{Center: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			b := setUp(t, newIssuer(t), func(o *bearer.Options) {
				if c.center != "" {
					o.CenterClaim = c.center
				}
				if c.permissions != "" {
					o.PermissionsClaim = c.permissions
				}
				o.PermissionsPrefix = c.prefix
			})
			c.want.Actor = "oidc user-1"
			got := b.good(t, b.token(c.claims))
			if len(got.Permissions) == 0 {
				got.Permissions = nil
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestActor(t *testing.T) {
	b := setUp(t, newIssuer(t))
	long := strings.Repeat("s", 200)
	seen := map[hook.Actor]string{}
	for _, subject := range []string{"auth0|1234", "u", "u from 192.0.2.1", "a\nb", "a\rb", "a?b", "a\u202eb", "ä", "ö", long, long + "x", long[:128]} {
		got := b.good(t, b.token(map[string]any{"sub": subject})).Actor
		shown, ok := strings.CutPrefix(string(got), "oidc ")
		if !ok || len(got) > 160 || strings.ContainsFunc(shown, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q becomes %q", subject, got)
		}
		if other, ok := seen[got]; ok {
			t.Errorf("%q and %q are both %q", subject, other, got)
		}
		seen[got] = subject
	}
}

// TestClaimMapping shows of any claims that a caller never has more than they say: exactly the known permissions that they name with the
// prefix, and exactly the contact centre that they name, or nothing at all.
func TestClaimMapping(t *testing.T) {
	ec := ecKey(t)
	i := newIssuer(t, public("ec", ec))
	value := rapid.OneOf(
		rapid.Just[any](nil), rapid.SampledFrom([]any{"north", "default", "*", "south", "", "zero", "NORTH", "**", "* ", "n o", true, 0}),
		rapid.Map(rapid.String(), func(s string) any { return s }), rapid.Just[any]([]any{"north"}), rapid.Just[any](map[string]any{"north": "*"}),
	)
	word := rapid.OneOf(rapid.SampledFrom(hook.Permissions()), rapid.Map(rapid.StringMatching(`[a-z:*]{1,12}`), func(s string) hook.Permission { return hook.Permission(s) }))
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.SampledFrom([]string{"", "hookswitch:", "a"}).Draw(t, "prefix")
		b := setUp(t, i, func(o *bearer.Options) {
			o.CenterClaim, o.PermissionsPrefix, o.PermissionsClaim = "x.ccid", prefix, "x.y.roles"
		})
		center := value.Draw(t, "center")
		words := rapid.SliceOfN(word, 0, 6).Draw(t, "words")
		var named []string
		var want []hook.Permission
		for _, w := range words {
			before := rapid.SampledFrom([]string{"", prefix, "other:"}).Draw(t, "before")
			named = append(named, before+string(w))
			if p, ok := strings.CutPrefix(before+string(w), prefix); ok && slices.Contains(hook.Permissions(), hook.Permission(p)) {
				want = append(want, hook.Permission(p))
			}
		}
		roles := any(named)
		if rapid.Bool().Draw(t, "as text") {
			roles = strings.Join(named, " ")
		}
		caller, err := b.verifier.Verify(t.Context(), oidctest.SignIDToken(ec, "ec", oidc.ES256,
			b.claims(map[string]any{"x": map[string]any{"ccid": center, "y": map[string]any{"roles": roles}}})), nil)
		text, _ := center.(string)
		number, good := map[string]hook.ContactCenterNumber{"north": 2, "default": 1, "*": 0}[text]
		if _, bad := errors.AsType[*hook.TokenError](err); good == bad {
			t.Fatalf("%#v: %+v, %v", center, caller, err)
		}
		if !good {
			if caller.Center != 0 || caller.Permissions != nil || caller.Actor != "" {
				t.Fatalf("a refused token shows %+v", caller)
			}
			return
		}
		if caller.Center != number {
			t.Fatalf("%#v is contact centre %d", center, caller.Center)
		}
		for _, p := range hook.Permissions() {
			if slices.Contains(caller.Permissions, p) != slices.Contains(want, p) {
				t.Fatalf("%q with the prefix %q permits %q", named, prefix, caller.Permissions)
			}
		}
	})
}
