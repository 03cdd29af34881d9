package tidy_test

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A house is one row of the import law: what the packages in a folder, and in the folders below it that have no row of
// their own, may import beside the standard library and each other. "x/..." means x and everything below it.
type house struct {
	folder string
	own    []string // folders of this repository
	others []string // third-party modules, or packages where only a part of a module is meant
}

// law is the import law: dependencies point inward. A folder without a row may not hold Go code, so that a new package
// is placed on purpose. To permit something, add it to the row, and say in docs/decisions why a new module is needed.
func law() []house {
	return []house{
		// Public packages: what third parties compile into their own programs.
		{folder: "interaction"},
		{folder: "signature"},
		{folder: "receiver", own: []string{"signature", "interaction"}},
		{folder: "client", others: []string{"github.com/oapi-codegen/runtime"}},

		// The domain.
		{folder: "internal/hook", own: []string{"interaction"}},

		// The boundaries.
		{
			folder: "internal/store",
			own:    []string{"internal/hook", "interaction"},
			others: []string{
				"modernc.org/sqlite", "zombiezen.com/go/sqlite", "github.com/jackc/pgx/v5", "github.com/pressly/goose/v3", // nobody else imports a driver
				"github.com/google/uuid", "github.com/prometheus/client_golang",
			},
		},
		{
			folder: "internal/store/storetest",
			own:    []string{"internal/store", "internal/hook", "internal/pgtest", "internal/seal/sealtest", "interaction"},
			others: []string{"github.com/google/go-cmp", "github.com/google/uuid"},
		},
		{
			folder: "internal/delivery",
			own:    []string{"internal/hook", "interaction", "signature"},
			others: []string{"golang.org/x/time", "github.com/prometheus/client_golang"},
		},
		{folder: "internal/seal/sealtest", own: []string{"internal/seal"}},
		{
			folder: "internal/bearer", own: []string{"internal/hook"},
			others: []string{"github.com/coreos/go-oidc/v3", "github.com/go-jose/go-jose/v4", "github.com/prometheus/client_golang"},
		},
		{folder: "internal/signin", own: []string{"internal/bearer", "internal/hook"}, others: []string{"golang.org/x/oauth2"}},
		{folder: "internal/seal", own: []string{"internal/hook"}, others: []string{"github.com/tink-crypto/tink-go/v2"}},
		{folder: "internal/trace", own: []string{"internal/hook"}, others: []string{"go.opentelemetry.io/otel", "go.opentelemetry.io/proto/otlp", "go.opentelemetry.io/contrib/propagators/b3"}},
		{folder: "internal/mail", own: []string{"internal/egress", "internal/hook"}, others: []string{"github.com/wneessen/go-mail"}},
		{folder: "internal/token", own: []string{"internal/hook"}},
		{folder: "internal/egress", own: []string{"internal/hook"}, others: []string{"code.dny.dev/ssrf"}},
		{
			folder: "internal/api",
			own:    []string{"internal/store", "internal/hook", "interaction"},
			others: []string{
				"github.com/danielgtaylor/huma/v2", "github.com/swaggest/swgui",
				"github.com/google/uuid", "github.com/prometheus/client_golang", "golang.org/x/time",
			},
		},
		{folder: "internal/gate", own: []string{"internal/hook"}, others: []string{"github.com/prometheus/client_golang"}},
		{folder: "internal/console", own: []string{"internal/store", "internal/hook", "interaction", "signature"}},
		{
			folder: "internal/config",
			own:    []string{"internal/hook"},
			others: []string{"github.com/goccy/go-yaml"},
		},

		// The programs.
		{
			folder: "internal/cli",
			own: []string{
				"internal/config", "internal/gate", "internal/api/...", "internal/console", "internal/delivery", "internal/store", "internal/egress", "internal/mail", "internal/token", "internal/trace", "internal/seal", "internal/bearer", "internal/signin",
				"internal/hook", "client", "receiver", "signature", "interaction",
			},
			others: []string{
				"github.com/spf13/cobra", "github.com/lmittmann/tint", "github.com/jedib0t/go-pretty/v6", "github.com/google/uuid",
				"github.com/prometheus/client_golang", // it makes the one registry that all parts share
			},
		},
		{folder: "cmd/hookswitch", own: []string{"internal/cli"}},
		{
			folder: "bench",
			own:    []string{"interaction", "signature", "receiver", "client", "internal/hook", "internal/pgtest", "internal/seal/sealtest"},
			others: []string{"github.com/google/uuid", "github.com/jackc/pgx/v5", "zombiezen.com/go/sqlite"}, // the drivers: it fills stores
		},

		// What only tests use. The rows bind the files that are not named _test.go.
		{
			folder: "internal/sim",
			own: []string{
				"internal/delivery", "internal/egress", "internal/store/...", "internal/hook", "receiver", "signature", "interaction",
			},
			others: []string{"github.com/google/uuid", "pgregory.net/rapid"},
		},
		{
			folder: "internal/crash",
			own:    []string{"internal/hook", "internal/pgtest", "internal/seal/sealtest", "client", "receiver", "signature", "interaction"},
			others: []string{
				"github.com/jackc/pgx/v5", "github.com/Shopify/toxiproxy/v2", "github.com/rs/zerolog",
				"zombiezen.com/go/sqlite", // reads what a killed process has left
			},
		},
		{folder: "internal/trace/tracetest", others: []string{"go.opentelemetry.io/proto/otlp", "google.golang.org/protobuf"}},
		{folder: "internal/egress/egresstest"},
		{folder: "internal/browsertest", others: []string{"github.com/chromedp/chromedp", "github.com/chromedp/cdproto"}},
		{folder: "internal/pgtest", others: []string{"github.com/jackc/pgx/v5"}},
		{folder: "internal/oracle", own: []string{"internal/hook", "signature", "interaction"}},
		{folder: "internal/agreement"},
		{folder: "internal/walk"},
		{folder: "deploy/test", others: []string{
			"helm.sh/helm/v4", "k8s.io/api", "k8s.io/apimachinery", "sigs.k8s.io/yaml", "go.yaml.in/yaml/v3",
			"github.com/compose-spec/compose-go/v2", "github.com/moby/buildkit", "github.com/opencontainers/go-digest",
			"github.com/prometheus-operator/prometheus-operator",
		}},
		{folder: "scripts"},
		{folder: "."},
	}
}

// testModules are the modules that any test may import beside those of its row.
func testModules() []string {
	return []string{
		"github.com/google/go-cmp", "github.com/google/uuid", "github.com/rogpeppe/go-internal", "pgregory.net/rapid", "go.uber.org/goleak",
		"github.com/pb33f/libopenapi", "github.com/pb33f/libopenapi-validator", "github.com/standard-webhooks/standard-webhooks/libraries",
		"github.com/emersion/go-smtp", "github.com/coreos/go-oidc/v3/oidc", "github.com/jba/templatecheck", "github.com/chromedp/chromedp", "github.com/chromedp/cdproto",
	}
}

// strangers are the folders that a folder's tests, which may otherwise import any package of ours, must not know either:
// public packages are usable from outside only if their tests are outside too, and the three boundaries stay apart.
func strangers(folder string) []string {
	switch folder {
	case "interaction", "signature", "receiver", "client":
		return []string{"internal/...", "bench/..."}
	case "internal/api":
		return []string{"internal/console/...", "internal/delivery/..."}
	case "internal/console":
		return []string{"internal/api/...", "internal/delivery/..."}
	case "internal/delivery":
		return []string{"internal/api/...", "internal/console/..."}
	}
	return nil
}

func importChecks() []check {
	const mod = "module m.example/m\n"
	file := func(name, imported string) map[string]string {
		return map[string]string{"go.mod": mod, name: "package x\nimport " + strconv.Quote(imported)}
	}
	return []check{{
		name: "import law", find: findUnlawfulImports,
		bad: []example{
			{"a public package that knows an internal one", file("signature/a.go", "m.example/m/internal/hook"), "internal/hook"},
			{"a public package's test that knows an internal one", file("signature/a_test.go", "m.example/m/internal/hook"), "internal/hook"},
			{"a public package with a dependency", file("receiver/a.go", "github.com/google/uuid"), "github.com/google/uuid"},
			{"the domain with a dependency", file("internal/hook/a.go", "github.com/google/uuid"), "github.com/google/uuid"},
			{"the domain that knows the store", file("internal/hook/a.go", "m.example/m/internal/store"), "internal/store"},
			{"a driver outside the store", file("internal/api/a.go", "modernc.org/sqlite"), "modernc.org/sqlite"},
			{"a driver in a test outside the store", file("internal/api/a_test.go", "modernc.org/sqlite"), "modernc.org/sqlite"},
			{"boundaries that know each other", file("internal/api/a.go", "m.example/m/internal/delivery"), "internal/delivery"},
			{"tests of boundaries that know each other", file("internal/delivery/a_test.go", "m.example/m/internal/api"), "internal/api"},
			{"a command that skips the layer below", file("cmd/hookswitch/main.go", "m.example/m/internal/store"), "internal/store"},
			{"a test's package in a program", file("internal/cli/a.go", "m.example/m/internal/store/storetest"), "storetest"},
			{"a module whose name only begins alike", file("internal/cli/a.go", "github.com/spf13/cobra-cli"), "cobra-cli"},
			{"C", file("internal/store/a.go", "C"), "C"},
			{"a package without a row", file("internal/new/a.go", "fmt"), "no row"},
		},
		good: []example{
			{"the standard library", file("internal/hook/a.go", "encoding/json/v2"), ""},
			{"what the row names", file("internal/api/a.go", "m.example/m/internal/store"), ""},
			{"a package of a permitted module", file("internal/api/a.go", "github.com/danielgtaylor/huma/v2/adapters/humago"), ""},
			{"a folder below", file("internal/api/nexus/a.go", "m.example/m/internal/hook"), ""},
			{"one's own folder below", file("internal/store/a.go", "m.example/m/internal/store/migrations"), ""},
			{"a driver in the store", file("internal/store/sqlite.go", "modernc.org/sqlite"), ""},
			{"a test with the real store", file("internal/delivery/a_test.go", "m.example/m/internal/store"), ""},
			{"a test with go-cmp", file("signature/a_test.go", "github.com/google/go-cmp/cmp"), ""},
		},
	}}
}

func findUnlawfulImports(_ *testing.T, r *repo) []problem {
	var out []problem
	homeless := map[string]bool{}
	for _, f := range r.goFiles {
		row, ok := houseOf(f.dir)
		if !ok {
			if !homeless[f.dir] {
				out = append(out, problem{f.path, 0, fmt.Sprintf("%s has no row in the import law (tidy_imports_test.go): add one", f.dir)})
			}
			homeless[f.dir] = true
			continue
		}
		for _, spec := range f.ast.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil || !r.lawful(f, row, imported) {
				out = append(out, r.at(spec.Pos(), fmt.Sprintf("%s may not import %q (the table is in tidy_imports_test.go)", f.dir, imported)))
			}
		}
	}
	return out
}

func (r *repo) lawful(f goFile, row house, imported string) bool {
	if own, ok := strings.CutPrefix(imported, r.module+"/"); ok && r.module != "" {
		if f.test {
			return !slices.ContainsFunc(strangers(row.folder), func(p string) bool { return covers(p, own) })
		}
		home, _ := houseOf(own)
		return home.folder == row.folder || slices.ContainsFunc(row.own, func(p string) bool { return covers(p, own) })
	}
	host, _, _ := strings.Cut(imported, "/")
	if !strings.Contains(host, ".") {
		return imported != "C" // one static binary: no cgo
	}
	permitted := row.others
	if f.test {
		permitted = slices.Concat(permitted, testModules())
	}
	return slices.ContainsFunc(permitted, func(p string) bool { return covers(p+"/...", imported) })
}

// houseOf finds the row of the deepest folder that holds dir.
func houseOf(dir string) (house, bool) {
	for at := dir; ; at = path.Dir(at) {
		i := slices.IndexFunc(law(), func(h house) bool { return h.folder == at })
		if i >= 0 && (at != "." || dir == ".") {
			return law()[i], true
		}
		if at == "." {
			return house{}, false
		}
	}
}

func covers(pattern, name string) bool {
	below, ok := strings.CutSuffix(pattern, "/...")
	return name == below || ok && strings.HasPrefix(name, below+"/")
}
