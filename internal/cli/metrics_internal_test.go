package cli

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookswitch/hookswitch/internal/config"
	"github.com/hookswitch/hookswitch/internal/pgtest"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
)

// described is what a metric is called, with its labels, and the text of its help.
type described struct{ name, labels, help string }

// describe returns the metrics of ours that a node on a database registers.
func describe(t *testing.T, database string) []described {
	t.Helper()
	flags := map[string]string{
		"listen": "127.0.0.1:0", "database": database, "master-keyset": sealtest.Text,
		"oidc-issuer": "https://login.example.com", "oidc-audience": "hookswitch",
	}
	c, err := config.Load(config.Sources{
		Flag: func(name string) (string, bool) { text, ok := flags[name]; return text, ok },
		Env:  func(string) (string, bool) { return "", false },
	})
	if err != nil {
		t.Fatal(err)
	}
	n, err := openNode(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		n.egress.Close()
		if err := n.store.Close(); err != nil {
			t.Error(err)
		}
		if err := n.listener.Close(); err != nil {
			t.Error(err)
		}
	}()
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		n.metrics.Describe(descs)
	}()
	var out []described
	form := regexp.MustCompile(`^Desc\{fqName: "(\w+)", help: "([^"]*)"(?:, unit: "[^"]*")?, constLabels: \{(?:(\w+)=.*)?\}, variableLabels: \{(.*)\}\}$`)
	for d := range descs {
		m := form.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("the description %s has another form", d)
		}
		if strings.HasPrefix(m[1], "hookswitch_") {
			out = append(out, described{name: m[1], labels: m[3] + m[4], help: m[2]})
		}
	}
	return out
}

// TestMetricsAreDocumented shows that docs/metrics.md has a row with a question for every metric that a node registers, on SQLite
// or on PostgreSQL, with its labels, and no other row; and that every help is a sentence.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		m := regexp.MustCompile("^\\| `(hookswitch_[a-z_]+)(?:\\{([a-z,]+)\\})?` \\| (?:counter|gauge|histogram) \\| .+\\?.* \\|\n$").FindStringSubmatch(line)
		if m == nil {
			t.Errorf("not a row of a metric, its kind and its question: %s", line)
			continue
		}
		documented[m[1]] = m[2]
	}
	registered := map[string]string{}
	for _, database := range []string{filepath.Join(t.TempDir(), "h.db"), pgtest.Database(t)} {
		for _, d := range describe(t, database) {
			registered[d.name] = d.labels
			if len(d.help) < 20 || !strings.HasSuffix(d.help, ".") {
				t.Errorf("the help of %s is %q, which is no sentence", d.name, d.help)
			}
		}
	}
	if diff := cmp.Diff(registered, documented); diff != "" {
		t.Errorf("docs/metrics.md is not what is registered (-registered +documented):\n%s", diff)
	}
}
