package delivery

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// TestDocumentTellsTheSchedule holds the table in docs/delivery.md against the default settings.
func TestDocumentTellsTheSchedule(t *testing.T) {
	text, err := os.ReadFile("../../docs/delivery.md")
	if err != nil {
		t.Fatal(err)
	}
	s := hook.DefaultSettings()
	var want []string
	now := epoch()
	d := &hook.Delivery{Event: newEvent(1), Webhook: 1}
	for wait := time.Duration(0); ; {
		want = append(want, fmt.Sprintf("| %d | %v | %v |", d.Attempts+1, wait, now.Sub(epoch())))
		o := decide(d, &s, now, &hook.Answer{Status: 500}, 1, 0.5)
		if o.Exhausts() {
			break
		}
		wait, now, d.Attempts = o.Next.Sub(now), o.Next, o.Attempt.Number
	}
	got := regexp.MustCompile(`(?m)^\| \d+ \|.*$`).FindAllString(string(text), -1)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the table should read\n%s", strings.Join(want, "\n"))
	}
}
