package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const (
	rulesFile  = "hookswitch.rules.yml"
	testsFile  = "hookswitch.rules.test.yml"
	configFile = "prometheus.yml"
	runbook    = "https://github.com/hookswitch/hookswitch/blob/main/docs/operations.md#"
)

// promtool runs Prometheus's own checker, which scripts/setup fetches, and returns what it finds.
func promtool(t *testing.T, args ...string) (problem string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		path = filepath.Join(cache, "hookswitch", "promtool")
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("there is no promtool: run scripts/setup (%v)", err)
		}
	}
	said, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("promtool %s: %v\n%s", strings.Join(args, " "), err, said)
	}
	return ""
}

// watching is a copy of deploy/prometheus, with an admin key beside it.
func watching(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{"admin.key": "hsk_of-this-test\n"}
	for _, name := range []string{rulesFile, testsFile, configFile} {
		files[name] = read(t, "../prometheus/"+name)
	}
	return files
}

func written(t *testing.T, files map[string]string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// Every alert fires when it should, and only then.
func TestAlertsFire(t *testing.T) {
	t.Parallel()
	if p := firingProblem(t, watching(t)); p != "" {
		t.Error(p)
	}
	t.Run("detects those that do not, or too soon", func(t *testing.T) {
		t.Parallel()
		files := watching(t)
		for _, c := range []struct{ old, replacement string }{
			{"hookswitch_store_ready == 0", "hookswitch_store_ready == 2"},
			{"> 120", ">= 0"},
			{"expr: hookswitch:webhook_circuit_open:max > 0\n        for: 30m", "expr: hookswitch:webhook_circuit_open:max > 0\n        for: 1m"},
		} {
			files[rulesFile] = replaceOnce(t, files[rulesFile], c.old, c.replacement)
		}
		found := firingProblem(t, files)
		for _, want := range []string{"HookswitchStoreNotReady", "HookswitchDeliveriesLate", "HookswitchCircuitOpen"} {
			if !strings.Contains(found, want) {
				t.Errorf("found %q, want something about %q", found, want)
			}
		}
	})
}

func firingProblem(t *testing.T, files map[string]string) string {
	t.Helper()
	return promtool(t, "test", "rules", filepath.Join(written(t, files), testsFile))
}

// Prometheus accepts the rules and the configuration, and each alert says what it means and what comes next.
func TestAlerts(t *testing.T) {
	t.Parallel()
	for _, p := range monitoringProblems(t, watching(t)) {
		t.Error(p)
	}
	for _, c := range []struct{ name, file, old, replacement, want string }{
		{"an expression that does not parse", rulesFile, "max(hookswitch_oldest_due_seconds) > 120", "max(hookswitch_oldest_due_seconds > 120", "check rules"},
		{"an unknown key of a rule", rulesFile, "for: 5m", "fore: 5m", "fore"},
		{"a rule that is never tested", rulesFile, "alert: HookswitchDiskFull", "alert: HookswitchDiskFuller", "HookswitchDiskFuller"},
		{"a metric that is not there", rulesFile, "hookswitch_outcomes_waiting", "hookswitch_outcomes_queued", "hookswitch_outcomes_queued"},
		{"a heading that is not there", rulesFile, "#deliveries-are-late", "#lateness", "lateness"},
		{"an alert that says nothing to do", rulesFile, "Next: hookswitch deliveries list --state pending", "See hookswitch deliveries list --state pending", "HookswitchBacklogGrowing"},
		{"an unknown severity", rulesFile, "severity: critical", "severity: page", "page"},
		{"a key of a command that is none", rulesFile, "hookswitch health on", "hookswitch check on", "hookswitch check"},
		{"an unknown key of the configuration", configFile, "scrape_interval", "scrape_every", "scrape_every"},
		{"a key that is not asked for", configFile, "credentials_file: admin.key", "credentials_file: other.key", "other.key"},
		{"rules that are not there", configFile, "- hookswitch.rules.yml", "- rules.yml", "does not point to an existing file"},
	} {
		t.Run("detects "+c.name, func(t *testing.T) {
			t.Parallel()
			files := watching(t)
			files[c.file] = replaceOnce(t, files[c.file], c.old, c.replacement)
			found := strings.Join(monitoringProblems(t, files), "\n")
			if !strings.Contains(found, c.want) {
				t.Errorf("found %q, want something about %q", found, c.want)
			}
		})
	}
}

// The snippet of the documentation is a configuration too.
func TestDocumentedScrape(t *testing.T) {
	t.Parallel()
	m := regexp.MustCompile("(?s)```yaml\n(scrape_configs:.*?)```").FindStringSubmatch(read(t, "../../docs/metrics.md"))
	if m == nil {
		t.Fatal("docs/metrics.md shows no scrape_configs")
	}
	folder := written(t, map[string]string{configFile: m[1], "admin.key": "x"})
	if p := promtool(t, "check", "config", filepath.Join(folder, configFile)); p != "" {
		t.Error(p)
	}
}

// What prometheus.yml has as comments are configurations, too: without a key by the operators' address, and by https.
func TestOtherWaysToScrape(t *testing.T) {
	t.Parallel()
	before, rest, _ := strings.Cut(read(t, "../prometheus/"+configFile), "  - job_name: hookswitch\n")
	job, other, _ := strings.Cut(rest, "\n\n")
	open, https, found := strings.Cut(other, "\n\n")
	uncomment := func(text string) string {
		_, text, _ = strings.Cut(text, "\n") // what it is for
		return regexp.MustCompile(`(?m)^  # `).ReplaceAllString(text, "  ")
	}
	for name, text := range map[string]string{
		"operators' address": before + uncomment(open),
		"https":              before + "  - job_name: hookswitch\n" + job + "\n" + uncomment(https),
	} {
		folder := written(t, map[string]string{configFile: text, rulesFile: read(t, "../prometheus/"+rulesFile), "admin.key": "x", "ca.crt": "x"})
		if p := promtool(t, "check", "config", "--syntax-only", filepath.Join(folder, configFile)); p != "" || !found || strings.Count(text, "job_name") != 1 {
			t.Errorf("%s: %s\n%s", name, p, text)
		}
	}
	if strings.Contains(open, "authorization") || !strings.Contains(https, "scheme: https") {
		t.Error("the comments say something else")
	}
}

// rule is one rule of the file.
type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

func rulesOf(text string) ([]rule, error) {
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	var out []rule
	for _, g := range file.Groups {
		out = append(out, g.Rules...)
	}
	return out, nil
}

func monitoringProblems(t *testing.T, files map[string]string) (out problems) {
	t.Helper()
	folder := written(t, files)
	for _, args := range [][]string{
		{"check", "rules", filepath.Join(folder, rulesFile)},
		{"check", "config", filepath.Join(folder, configFile)},
	} {
		if p := promtool(t, args...); p != "" {
			out.add("%s", p)
		}
	}
	rules, err := rulesOf(files[rulesFile])
	if err != nil {
		out.add("%v", err)
		return out
	}
	known := knownMetrics(t, rules)
	for _, r := range rules {
		checkMetrics(&out, r.Record+r.Alert, r.Expr, known)
		if r.Alert != "" {
			checkAlert(t, &out, r, files[testsFile])
		}
	}
	if len(rules) < 15 {
		out.add("only %d rules were found", len(rules))
	}
	return out
}

func checkAlert(t *testing.T, out *problems, r rule, tests string) {
	t.Helper()
	if s := r.Labels["severity"]; s != "critical" && s != "warning" {
		out.add("%s: severity %q", r.Alert, s)
	}
	if r.Annotations["summary"] == "" || !strings.Contains(r.Annotations["description"], " Next: ") && !strings.Contains(r.Annotations["description"], " Next, ") {
		out.add("%s: no summary, or a description that does not say what comes next", r.Alert)
	}
	anchor, ok := strings.CutPrefix(r.Annotations["runbook_url"], runbook)
	if !ok || !slices.Contains(anchors(read(t, "../../docs/operations.md")), anchor) {
		out.add("%s: docs/operations.md has no heading %q", r.Alert, anchor)
	}
	checkCommands(t, out, r)
	expr := regexp.QuoteMeta(fmt.Sprintf("- expr: ALERTS{alertname=%q, alertstate=\"firing\"}\n", r.Alert))
	for what, samples := range map[string]string{"does not fire": `\[\]`, "fires": `\n`} {
		if !regexp.MustCompile(expr + `.*\n +exp_samples: ?` + samples).MatchString(tests) {
			out.add("%s: no test in which it %s", r.Alert, what)
		}
	}
}

// checkCommands looks whether the commands that an alert names are ours.
func checkCommands(t *testing.T, out *problems, r rule) {
	t.Helper()
	ours := read(t, "../../internal/cli/root.go")
	for _, m := range regexp.MustCompile(`\bhookswitch ([a-z]+)\b`).FindAllStringSubmatch(r.Annotations["description"], -1) {
		if !strings.Contains(ours, "a."+m[1]+"Command()") {
			out.add("%s: there is no command hookswitch %s", r.Alert, m[1])
		}
	}
}

// anchors are the headings of a page as GitHub links to them.
func anchors(page string) (out []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(page, -1) {
		kept := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		out = append(out, strings.ReplaceAll(kept, " ", "-"))
	}
	return out
}

// knownMetrics are those that docs/metrics.md has a row for, with the series that Prometheus makes of histograms, and what the
// rules record. A test of the program compares that page with what is registered.
func knownMetrics(t *testing.T, rules []rule) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(hookswitch_[a-z_]+).*?` \\| (\\w+) \\|").FindAllStringSubmatch(read(t, "../../docs/metrics.md"), -1) {
		if m[2] != "histogram" {
			known[m[1]] = true
			continue
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			known[m[1]+suffix] = true
		}
	}
	for _, r := range rules {
		known[r.Record] = true
	}
	return known
}

func checkMetrics(out *problems, where, expr string, known map[string]bool) {
	for _, name := range regexp.MustCompile(`\bhookswitch[_:][a-z0-9_:]+`).FindAllString(expr, -1) {
		if !known[name] {
			out.add("%s: there is no metric %s", where, name)
		}
	}
}

// dashboard is what is checked of a Grafana dashboard.
type dashboard struct {
	Title, UID    string
	SchemaVersion int
	Templating    struct{ List []struct{ Name, Type string } }
	Panels        []panel
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ H, W, X, Y int }
	Targets                  []struct {
		RefID, Expr string
		Datasource  struct{ Type, UID string }
	}
}

// The dashboard answers the questions of docs/metrics.md in their order, from metrics that there are, in expressions that
// Prometheus takes.
func TestDashboard(t *testing.T) {
	t.Parallel()
	text := read(t, "../grafana/hookswitch.json")
	for _, p := range dashboardProblems(t, text) {
		t.Error(p)
	}
	for _, c := range []struct{ name, old, replacement, want string }{
		{"no JSON", `"panels": [`, `"panels": `, "read dashboard"},
		{"an expression that does not parse", "max(hookswitch_oldest_due_seconds{", "max((hookswitch_oldest_due_seconds{", "check rules"},
		{"a metric that is not there", "hookswitch_outcomes_waiting", "hookswitch_outcomes_queued", "hookswitch_outcomes_queued"},
		{"a variable that is not there", `$instance\"})`, `$node\"})`, "$node"},
		{"a fixed data source", `"uid": "${datasource}"}, "editorMode"`, `"uid": "P1"}, "editorMode"`, "P1"},
		{"a panel without a question", `How many receivers are held back because they fail?`, `Circuits.`, "Circuits open"},
		{"the same id twice", `"id": 3,`, `"id": 2,`, "id 2"},
		{"a section that asks something else", "Is everything delivered?", "Is all well?", "Is all well?"},
		{"a section in another place", "Is everything delivered?", "Is retention keeping up?", "another order"},
	} {
		t.Run("detects "+c.name, func(t *testing.T) {
			t.Parallel()
			found := strings.Join(dashboardProblems(t, replaceOnce(t, text, c.old, c.replacement)), "\n")
			if !strings.Contains(found, c.want) {
				t.Errorf("found %q, want something about %q", found, c.want)
			}
		})
	}
}

func dashboardProblems(t *testing.T, text string) (out problems) {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		out.add("read dashboard: %v", err)
		return out
	}
	var variables []string
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
	}
	if d.UID == "" || d.SchemaVersion == 0 || !slices.Equal(variables, []string{"datasource", "instance", "webhook"}) {
		out.add("%q has uid %q, schema %d and the variables %v", d.Title, d.UID, d.SchemaVersion, variables)
	}
	rules, err := rulesOf(read(t, "../prometheus/"+rulesFile))
	if err != nil {
		out.add("%v", err)
	}
	known, page := knownMetrics(t, rules), read(t, "../../docs/metrics.md")
	ids, expressions, sections := map[int]bool{}, []map[string]string{}, []int{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			out.add("%s: id %d is used twice", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.GridPos.W <= 0 || p.GridPos.X+p.GridPos.W > 24 {
			out.add("%s: does not fit into 24 columns", p.Title)
		}
		if p.Type == "row" {
			sections = append(sections, answered(&out, p.Title, page)...)
			continue
		}
		if !strings.Contains(p.Description, "?") || len(p.Targets) == 0 {
			out.add("%s: asks no question, or answers none", p.Title)
		}
		for _, target := range p.Targets {
			if target.Datasource.UID != "${datasource}" {
				out.add("%s: the data source is %q", p.Title, target.Datasource.UID)
			}
			checkMetrics(&out, p.Title, target.Expr, known)
			expr := strings.NewReplacer("$__rate_interval", "5m", "$__range", "6h", "$instance", ".*", "$webhook", ".*").Replace(target.Expr)
			if strings.Contains(expr, "$") {
				out.add("%s: an unknown variable in %s", p.Title, expr)
			}
			expressions = append(expressions, map[string]string{"record": fmt.Sprintf("panel:%d_%s", p.ID, target.RefID), "expr": expr})
		}
	}
	if len(sections) < 7 || !slices.IsSorted(sections) {
		out.add("%d questions of docs/metrics.md are answered, or in another order: %v", len(sections), sections)
	}
	return append(out, expressionProblems(t, expressions)...)
}

// answered returns where in the documentation the questions are that a section answers.
func answered(out *problems, title, page string) (places []int) {
	for _, m := range regexp.MustCompile(`[^?]+\?`).FindAllString(title, -1) {
		at := strings.Index(page, "\n## "+strings.TrimSpace(m)+"\n")
		if at < 0 {
			out.add("the section %q is none of docs/metrics.md", strings.TrimSpace(m))
		}
		places = append(places, at)
	}
	return places
}

// expressionProblems has Prometheus read expressions as rules.
func expressionProblems(t *testing.T, rules []map[string]string) problems {
	t.Helper()
	raw, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	if p := promtool(t, "check", "rules", filepath.Join(written(t, map[string]string{rulesFile: string(raw)}), rulesFile)); p != "" {
		return problems{p}
	}
	return nil
}
