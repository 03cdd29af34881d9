package api

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// TestAppendInteractionIsEncode holds the fast encoder against the one by reflection, field by field and character by
// character, so that a field that one of them does not know fails here.
func TestAppendInteractionIsEncode(t *testing.T) {
	text := rapid.OneOf(rapid.Just(""), rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("a<>&\"\\/\n\x00\x7f\u2028é😀\ufffd"))),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	at := rapid.Custom(func(t *rapid.T) instant {
		if rapid.Bool().Draw(t, "zero") {
			return instant{}
		}
		zone := time.FixedZone("", rapid.IntRange(-12, 12).Draw(t, "zone")*3600)
		return instant{time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "milli")).In(zone)}
	})
	contact := rapid.SampledFrom([]string{"", "{}", "{ \"a\" : [ 1, \"<&>\u2028\" ] }", `{"a":"\u0000"}`})
	rapid.Check(t, func(t *rapid.T) {
		var random [16]byte
		copy(random[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		i := Interaction{
			ID: hook.InteractionID{UUID: hook.V4(random)}, SessionID: hook.SessionID{UUID: random}, ContactCenterID: text.Draw(t, "contactCenterId"),
			MediaType: MediaType(text.Draw(t, "mediaType")), Subtype: Subtype(text.Draw(t, "subtype")), State: State(text.Draw(t, "state")),
			Queue: text.Draw(t, "queue"), Agent: text.Draw(t, "agent"),
			Content: Content{
				Subject: text.Draw(t, "subject"), Contact: freeObject(contact.Draw(t, "contact")),
				UserData: rapid.MapOfN(rapid.String(), text, 0, 4).Draw(t, "userData"),
			},
			CreatedAt: at.Draw(t, "createdAt"), SubmittedAt: at.Draw(t, "submittedAt"), AcceptedAt: at.Draw(t, "acceptedAt"),
			Ending:  Ending{StoppedAt: at.Draw(t, "stoppedAt"), StoppedBy: Stopper(text.Draw(t, "stoppedBy")), StopReason: text.Draw(t, "stopReason")},
			SelfURI: text.Draw(t, "selfUri"),
		}
		want, err := encode(i)
		if err != nil {
			t.Fatal(err)
		}
		got, err := appendInteraction(nil, &i)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Fatalf("(-encode +append):\n%s", diff)
		}
	})
}

func TestOwnContactCentreOnly(t *testing.T) {
	s := New(Options{})
	s.callers.centers.Store(hook.ContactCenterNumber(7), hook.ContactCenter{Number: 7, ID: "acme"})
	for named, want := range map[hook.ContactCenterID]int{"": 0, "acme": 0, "default": 403, "none": 403} {
		c := &call{server: s, r: httptest.NewRequest(http.MethodGet, "/", nil)}
		err := s.speakForOwn(c, 7, named)
		if p, ok := problemOf(err); want == 0 && (err != nil || c.center.ID != "acme") || want != 0 && (!ok || p.Status != want || c.center.ID != "") {
			t.Errorf("x-ccid %q: %v, contact centre %q", named, err, c.center.ID)
		}
	}
}
