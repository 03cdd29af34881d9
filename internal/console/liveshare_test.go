package console_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// firstUpdate is the first message of a live page.
func (b *browser) firstUpdate(path string) string {
	b.tb.Helper()
	r, err := http.NewRequestWithContext(b.tb.Context(), http.MethodGet, b.url+path, http.NoBody)
	if err != nil {
		b.tb.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	resp, err := b.client.Do(r)
	if err != nil {
		b.tb.Fatal(err)
	}
	b.tb.Cleanup(func() { resp.Body.Close() })
	var text strings.Builder
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if lines.Text() == "" && strings.Contains(text.String(), "data:") {
			break
		}
		text.WriteString(lines.Text() + "\n")
	}
	return text.String()
}

// TestLivePagesAreSharedByThoseWhoMaySeeTheSame shows that an update that was made for an admin is not sent to who may see less, of another
// span or of another contact centre.
func TestLivePagesAreSharedByThoseWhoMaySeeTheSame(t *testing.T) {
	t.Parallel()
	s := newStage(t, storetest.Open(t))
	w := s.hears("https://crm.example/hook")
	s.begins(interaction.MediaChat, "support", 1)
	s.attempts(w, hook.FailureStatus, time.Time{})
	other, err := s.opened.CreateContactCenter(t.Context(), time.Now(), "other", "Other", nil)
	if err != nil {
		t.Fatal(err)
	}
	const overview = "/console/cc/default/"
	admin, own, events := s.signedIn(0), s.signedIn(s.center, hook.PermitAdmin), s.signedIn(s.center, hook.PermitEventsRead)
	for _, b := range []*browser{admin, own} {
		if got := b.firstUpdate(overview); !strings.Contains(got, "crm.example") {
			t.Fatalf("an admin's overview does not name the webhook:\n%s", got)
		}
	}
	for name, got := range map[string]string{
		"who may read events alone": events.firstUpdate(overview), "another contact centre": admin.firstUpdate("/console/cc/" + string(other.ID) + "/"),
	} {
		if !strings.Contains(got, "event: live") || strings.Contains(got, "crm.example") {
			t.Errorf("%s is sent what the admin sees:\n%s", name, got)
		}
	}
	if got := admin.firstUpdate(overview + "?span=24h"); !strings.Contains(got, "24 hours") {
		t.Errorf("the overview of a day is another span's:\n%s", got)
	}
}
