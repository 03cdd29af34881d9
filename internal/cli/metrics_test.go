package cli_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// promtool returns Prometheus's own checker, which scripts/setup fetches.
func promtool(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("promtool"); err == nil {
		return path
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cache, "hookswitch", "promtool")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("there is no promtool: run scripts/setup (%v)", err)
	}
	return path
}

// scrape reads the metrics as Prometheus does.
func scrape(t *testing.T, server string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminKey)
	req.Close = true // no connection outlives the test
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(resp.Body)
	if err != nil || resp.Body.Close() != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v: %s", resp.StatusCode, err, page)
	}
	return string(page)
}

// figure returns the value of a series, or zero.
func figure(t *testing.T, page, series string) float64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(page)
	if m == nil {
		return 0
	}
	value, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// TestMetricsOfANode drives a node with a receiver that acknowledges and one that fails, and reads on its page what became of
// that. Prometheus's own checker has nothing to say about the page.
func TestMetricsOfANode(t *testing.T) {
	t.Parallel()
	const interactions = 5
	receiver := func(status int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(s.Close)
		return s.URL
	}
	server := launch(t, []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey}, "", "serve", "--listen", "127.0.0.1:0",
		"--database", filepath.Join(t.TempDir(), "h.db"), "--allow-private-targets", "127.0.0.0/8")
	url := server.await(&server.stderr, `msg=listening url=(\S+)`)[1]
	env := []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey, "HOOKSWITCH_SERVER=" + url}
	command := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := run(t, env, "", args...)
		if code != 0 {
			t.Fatalf("%v: %s", args, stderr)
		}
		return stdout
	}
	create := func(url string, flags ...string) string {
		t.Helper()
		made := command(append([]string{"webhooks", "create", "--url", url, "--json"}, flags...)...)
		return regexp.MustCompile(`"id": "([0-9a-f-]{36})"`).FindStringSubmatch(made)[1]
	}
	good := create(receiver(http.StatusOK))
	bad := create(receiver(http.StatusInternalServerError), "--retry-attempts", "0")
	for range interactions {
		command("interactions", "create", "--queue", "support")
	}
	wanted := map[string]float64{
		`hookswitch_events_total{event="STARTED"}`:                                        interactions,
		`hookswitch_deliveries_created_total`:                                             2 * interactions,
		`hookswitch_deliveries_delivered_total`:                                           interactions,
		`hookswitch_deliveries_exhausted_total`:                                           interactions,
		`hookswitch_attempts_total{result="status"}`:                                      interactions,
		`hookswitch_webhook_attempts_total{result="acknowledged",webhook="` + good + `"}`: interactions,
		`hookswitch_webhook_attempts_total{result="status",webhook="` + bad + `"}`:        interactions,
		`hookswitch_webhook_attempt_duration_seconds_count{webhook="` + bad + `"}`:        interactions,
		`hookswitch_api_requests_total{class="2xx",route="POST /v1/interactions"}`:        interactions,
		`hookswitch_store_ready`:                                                          1,
		`hookswitch_oldest_due_seconds`:                                                   0,
		`hookswitch_deliveries_in_memory`:                                                 0,
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(awaitMax)
	page := scrape(t, url)
	for right := false; !right; page = scrape(t, url) {
		right = true
		for series, want := range wanted {
			right = right && figure(t, page, series) == want
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("want %v\ngot:\n%s", wanted, page)
		}
	}
	check := exec.CommandContext(t.Context(), promtool(t), "check", "metrics")
	check.Stdin = strings.NewReader(page)
	if said, err := check.CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, said)
	}
	if code := server.stop(); code != 0 {
		t.Errorf("the server ended with %d: %s", code, server.stderr.String())
	}
}
