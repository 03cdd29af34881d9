package hook_test

import (
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The text of a key names the key and nothing else does; the hash is that of the whole text.
func TestKeyTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := hook.KeyID{UUID: hook.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))}
		secret := [hook.KeySecretBytes]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "secret"))
		text := hook.NewKeyText(id, secret)
		if p := hook.ProofOf(text); p.ID != id || p.Hash != sha256.Sum256([]byte(text)) {
			t.Errorf("%s proves %+v", text, p)
		}
		if at := rapid.IntRange(0, 36).Draw(t, "at"); hook.ProofOf(text[:at]+"x"+text[at+1:]).ID == id && text[at] != 'x' {
			t.Errorf("%s with another letter at %d names the key", text, at)
		}
		other := rapid.String().Draw(t, "any")
		if p := hook.ProofOf(other); !p.ID.IsZero() || p.Hash != sha256.Sum256([]byte(other)) {
			t.Errorf("%q proves %+v", other, p)
		}
	})
	if p := hook.ProofOf(strings.Repeat("k", 1_000)); p.Hash != sha256.Sum256([]byte(strings.Repeat("k", 1_000))) {
		t.Error("the hash of a long text is wrong")
	}
}

// What is wrong with a key is named by its field; what a change leaves as it was is not judged.
func TestKeyIsValidated(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	good := hook.Key{Center: 1, Name: "crm", Permissions: []hook.Permission{hook.PermitWebhooks}}
	for name, test := range map[string]struct {
		change func(*hook.Key)
		wrong  string
	}{
		"good":                     {func(*hook.Key) {}, ""},
		"an expiry":                {func(k *hook.Key) { k.ExpiresAt = now.Add(1) }, ""},
		"no name":                  {func(k *hook.Key) { k.Name = "" }, "name"},
		"a long name":              {func(k *hook.Key) { k.Name = strings.Repeat("n", 129) }, "name"},
		"a name of two lines":      {func(k *hook.Key) { k.Name = "a\nb" }, "name"},
		"a name read backwards":    {func(k *hook.Key) { k.Name = "a\u202eb" }, "name"},
		"a name of all scripts":    {func(k *hook.Key) { k.Name = "電話\u3000Ü (1)" }, ""},
		"the configured name":      {func(k *hook.Key) { k.Name = hook.ConfiguredKey }, "name"},
		"no permissions":           {func(k *hook.Key) { k.Permissions = nil }, "permissions"},
		"an unknown permission":    {func(k *hook.Key) { k.Permissions = []hook.Permission{"all"} }, "permissions"},
		"an admin key without any": {func(k *hook.Key) { k.Center = 0 }, "permissions"},
		"an expiry in the past":    {func(k *hook.Key) { k.ExpiresAt = now }, "expiresAt"},
	} {
		t.Run(name, func(t *testing.T) {
			k := good
			test.change(&k)
			var fields []string
			var invalid *hook.InvalidError
			if err := k.Validate("body.", now, &hook.Key{}); errors.As(err, &invalid) {
				for _, f := range invalid.Fields {
					fields = append(fields, strings.TrimPrefix(f.Field, "body."))
				}
			}
			if got := strings.Join(fields, " "); got != test.wrong {
				t.Errorf("wrong are %q, want %q", got, test.wrong)
			}
		})
	}
	old := hook.Key{Name: hook.ConfiguredKey, Permissions: []hook.Permission{"of a newer program"}, ExpiresAt: now.Add(-time.Hour)}
	same := old
	same.Enabled = true
	if err := same.Validate("", now, &old); err != nil {
		t.Errorf("what was so before: %v", err)
	}
	same.Name = "renamed"
	if err := same.Validate("", now, &old); err == nil {
		t.Error("the configured key was renamed")
	}
}

// Whatever its name is, the id is all that stands in brackets in what the audit log says of a key.
func TestActorOfKey(t *testing.T) {
	k := hook.Key{Center: 1, Name: "a (00000000-0000-7000-8000-000000000000) from 192.0.2.1"}
	const want = "key a [00000000-0000-7000-8000-000000000000] from 192.0.2.1 (00000000-0000-0000-0000-000000000000)"
	if got := k.Actor(); got != want {
		t.Errorf("it is %s", got)
	}
}

// Permissions are stored as one text and come back the same, in one order, also those that only a newer program knows.
func TestPermissionsAsText(t *testing.T) {
	given := []hook.Permission{"newer", hook.PermitAdmin, hook.PermitWebhooks, hook.PermitAdmin}
	want := []hook.Permission{hook.PermitWebhooks, hook.PermitAdmin, "newer"}
	sorted := hook.SortPermissions(given)
	if back := hook.ParsePermissions(hook.JoinPermissions(sorted)); !slices.Equal(sorted, want) || !slices.Equal(back, want) {
		t.Errorf("%v, %v, want %v", sorted, back, want)
	}
}
