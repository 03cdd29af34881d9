package cli

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const watchedID = "0190a1b2-0000-7000-8000-000000000001"

func watched(state string, progress float64) string {
	return fmt.Sprintf(`{"id":%q,"webhookId":%q,"state":%q,"progress":%v,"matched":300,"replayed":290,"skipped":10,"states":["exhausted"]}`,
		watchedID, watchedID, state, progress)
}

// watch watches a replay whose server answers so, one after the other, and returns what was told on a terminal. Whoever watches leaves
// at the answer that is empty.
func watch(t *testing.T, answers ...string) (raw, told string, err error) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next := answers[0]
		answers = answers[1:]
		switch next {
		case "":
			leave()
			<-r.Context().Done()
		case "503":
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			if _, err := w.Write([]byte(next)); err != nil {
				t.Error(err)
			}
		}
	}))
	defer server.Close()
	a := quietApp()
	var out bytes.Buffer
	a.Stderr, a.StderrTerminal = &out, true
	c := &connection{app: a, server: server.URL, key: "k"}
	shown, err := a.watchReplay(ctx, c, []byte(watched("running", 0)))
	return string(shown), out.String(), err
}

// Whoever watches a replay sees a bar that is drawn over itself, and then the verdict; whoever leaves is told that the server goes on,
// and how to stop it.
func TestReplayIsWatched(t *testing.T) {
	goesOn := "The replay goes on without this command. To see how far it is: hookswitch replay show " + watchedID + "\nTo stop it for a while: hookswitch replay pause " + watchedID + "\n"
	empty := "\rreplay [" + strings.Repeat(" ", 30) + "]   0 %, 300 matched, 290 replayed, 10 skipped, "
	full := "\rreplay [" + strings.Repeat("=", 30) + "] 100 %, 300 matched, 290 replayed, 10 skipped, "
	for name, tt := range map[string]struct {
		answers []string
		shown   string
		told    []string
		failure string
	}{
		"to its end":      {[]string{watched("finished", 1)}, watched("finished", 1), []string{empty, full}, ""},
		"until a pause":   {[]string{watched("paused", 0.5)}, watched("paused", 0.5), []string{empty, "]  50 %", "hookswitch replay resume " + watchedID}, ""},
		"until a cancel":  {[]string{watched("cancelled", 0.5)}, watched("cancelled", 0.5), []string{"]  50 %"}, "was cancelled after 290 deliveries"},
		"until Ctrl-C":    {[]string{""}, watched("running", 0), []string{empty, "\n" + goesOn}, ""},
		"without answers": {[]string{"503"}, "", []string{"\n" + goesOn}, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shown, told, err := watch(t, tt.answers...)
			if diff := cmp.Diff(tt.shown, shown); diff != "" {
				t.Errorf("shown (-want +got):\n%s", diff)
			}
			for _, part := range tt.told {
				if !strings.Contains(told, part) {
					t.Errorf("%q is missing in %q", part, told)
				}
			}
			if tt.failure == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.failure) {
				t.Errorf("error %v, want %q", err, tt.failure)
			}
		})
	}
}

// A time is one, or how long ago it was.
func TestReplayTimes(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 16, 0, 0, 0, time.FixedZone("", 3600))
	for text, want := range map[string]string{
		"24h": "2026-11-21T15:00:00Z", "1h30m": "2026-11-22T13:30:00Z", "2026-11-22T16:00:00+01:00": "2026-11-22T16:00:00+01:00", "yesterday": "yesterday",
	} {
		if got := ago(text, now); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}
