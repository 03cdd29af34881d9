package deploy

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// filledIn is .env.example with the secrets that it leaves to its reader.
func filledIn(t *testing.T) map[string]string {
	t.Helper()
	env, err := dotenv.Parse(strings.NewReader(read(t, "../.env.example")))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"HOOKSWITCH_ADMIN_KEY", "HOOKSWITCH_MASTER_KEYSET", "POSTGRES_PASSWORD"} {
		if value, ok := env[name]; !ok || value != "" {
			t.Errorf(".env.example: %s=%q, want it there and empty", name, value)
		}
		env[name] = strings.ToLower(name) + "0123456789"
	}
	return env
}

func TestCompose(t *testing.T) {
	env, text := filledIn(t), read(t, "../compose.yaml")
	for _, p := range composeProblems(t.Context(), text, env) {
		t.Error(p)
	}
	for _, c := range []struct{ name, old, replacement, want string }{
		{"an unknown key", "restart: unless-stopped", "restarts: unless-stopped", "restarts"},
		{"a duration of nonsense", "interval: 10s", "interval: often", "interval"},
		{"a service that is not there", "      node3:\n        condition: service_started", "      node4:\n        condition: service_started", "node4"},
		{"a network that is not there", "networks: [front, store]", "networks: [front, back]", "back"},
		{"two nodes", "  node3:\n    <<: *node\n", "", "node3"},
		{"a short grace period", "stop_grace_period: 30s", "stop_grace_period: 15s", "stop_grace_period"},
		{"a node that does not wait for the database", "condition: service_healthy", "condition: service_started", "service_healthy"},
		{"a check by another program", "[CMD, /hookswitch,", "[CMD, /bin/curl,", "healthcheck"},
		{"a check by a shell", "[CMD, /hookswitch, health]", "[CMD-SHELL, /hookswitch health]", "healthcheck"},
		{"no limit", "        memory: 512M\n", "", "memory"},
		{"no restart", "  restart: unless-stopped\n", "", "restart"},
		{"a secret in the file", "${HOOKSWITCH_ADMIN_KEY:?set it in .env}", "a-key-that-all-can-read", "HOOKSWITCH_ADMIN_KEY"},
		{"a variable that is no key", "HOOKSWITCH_LOG_FORMAT", "HOOKSWITCH_LOGFORMAT", "HOOKSWITCH_LOGFORMAT"},
		{"another port", `":8480"`, `":8080"`, "8080"},
		{"an old PostgreSQL", "image: postgres:17", "image: postgres:14", "PostgreSQL 15"},
		{"no volume", "      - postgres:/var/lib/postgresql/data\n", "      - /var/lib/postgresql/data\n", "volume"},
		{"a root filesystem that can be written", "  read_only: true\n", "", "read_only"},
		{"root", `  user: "65532:65532"`, `  user: "0:0"`, "user"},
		{"a balancer that is one caller", `HOOKSWITCH_CONNECTIONS_PER_ADDRESS_MAX: "4096"`, `HOOKSWITCH_CONNECTIONS_PER_ADDRESS_MAX: "100"`, "balancer's address"},
		{"a database that all reach", "networks: [store]", "networks: [store, front]", "networks"},
	} {
		t.Run("detects "+c.name, func(t *testing.T) {
			found := strings.Join(composeProblems(t.Context(), replaceOnce(t, text, c.old, c.replacement), env), "\n")
			if !strings.Contains(found, c.want) {
				t.Errorf("found %q, want something about %q", found, c.want)
			}
		})
	}
	t.Run("with Prometheus, which is commented out", func(t *testing.T) {
		before, rest, _ := strings.Cut(text, "  # prometheus:\n")
		_, after, found := strings.Cut(rest, "\n\n")
		service := regexp.MustCompile(`(?m)^  # `).ReplaceAllString("  # prometheus:\n"+strings.TrimSuffix(rest, "\n\n"+after), "  ")
		if !found || !strings.Contains(service, "\n    image: prom/prometheus") {
			t.Fatalf("there is no service prometheus: %q", service)
		}
		for _, p := range composeProblems(t.Context(), before+service+"\n\n"+after, env) {
			t.Error(p)
		}
	})
	for _, name := range []string{"HOOKSWITCH_ADMIN_KEY", "HOOKSWITCH_MASTER_KEYSET", "POSTGRES_PASSWORD", "HOOKSWITCH_PUBLIC_URL"} {
		t.Run("refuses to start without "+name, func(t *testing.T) {
			lacking := filledIn(t)
			lacking[name] = ""
			if _, err := compose(t.Context(), text, lacking); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v, want an error that names %s", err, name)
			}
		})
	}
}

// Every variable of compose.yaml is explained in .env.example, and every variable there is used.
func TestEnvExampleIsComplete(t *testing.T) {
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`\$\{(\w+)`).FindAllStringSubmatch(read(t, "../compose.yaml"), -1) {
		used[m[1]] = true
	}
	explained := filledIn(t)
	for name := range used {
		if _, ok := explained[name]; !ok {
			t.Errorf("%s is not in .env.example", name)
		}
	}
	for name := range explained {
		if !used[name] {
			t.Errorf("%s is not used in compose.yaml", name)
		}
	}
}

// The load balancer knows the nodes of the compose file, each by its port, and asks each whether it is ready.
func TestBalancerKnowsTheNodes(t *testing.T) {
	project, err := compose(t.Context(), read(t, "../compose.yaml"), filledIn(t))
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, "../haproxy.cfg")
	var servers []string
	for _, m := range regexp.MustCompile(`(?m)^\s+server (\S+) (\S+)$`).FindAllStringSubmatch(text, -1) {
		if m[2] != m[1]+":8480" {
			t.Errorf("server %s is %s", m[1], m[2])
		}
		servers = append(servers, m[1])
	}
	if want := nodes(project); !slices.Equal(servers, want) {
		t.Errorf("servers %v, want %v", servers, want)
	}
	for _, want := range []string{"option httpchk GET /readyz", "http-check expect status 200", "retry-on conn-failure"} {
		if !strings.Contains(text, "\n    "+want+"\n") {
			t.Errorf("haproxy.cfg lacks %q", want)
		}
	}
	// A GET of /v1/events waits for up to 60 s.
	for _, side := range []string{"client", "server"} {
		m := regexp.MustCompile(`(?m)^\s+timeout ` + side + ` (\d+)s$`).FindStringSubmatch(text)
		if m == nil {
			t.Errorf("no timeout %s in seconds", side)
		} else if seconds, err := strconv.Atoi(m[1]); err != nil || seconds <= 60 {
			t.Errorf("timeout %s is %s s, want more than 60", side, m[1])
		}
	}
}

// compose reads a compose file as `docker compose` does: against the specification's schema, with the variables of .env.
func compose(ctx context.Context, text string, env map[string]string) (*types.Project, error) {
	folder, err := filepath.Abs("..")
	if err != nil {
		return nil, fmt.Errorf("find deploy: %w", err)
	}
	project, err := loader.LoadWithContext(ctx, types.ConfigDetails{
		WorkingDir:  folder,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(folder, "compose.yaml"), Content: []byte(text)}},
		Environment: env,
	}, func(o *loader.Options) { o.SetProjectName("hookswitch", false) })
	if err != nil {
		return nil, fmt.Errorf("load compose file: %w", err)
	}
	return project, nil
}

// nodes are the services that run our program.
func nodes(project *types.Project) []string {
	return slices.DeleteFunc(project.ServiceNames(), func(name string) bool { return !strings.HasPrefix(name, "node") })
}

func composeProblems(ctx context.Context, text string, env map[string]string) []string {
	var out problems
	project, err := compose(ctx, text, env)
	if err != nil {
		out.add("%v", err)
		return out
	}
	if got := nodes(project); !slices.Equal(got, []string{"node1", "node2", "node3"}) {
		out.add("nodes %v, want node1, node2 and node3", got)
	}
	for _, s := range project.Services {
		if s.Restart != "unless-stopped" {
			out.add("%s: restart is %q", s.Name, s.Restart)
		}
		if s.HealthCheck == nil || len(s.HealthCheck.Test) == 0 {
			out.add("%s: no healthcheck", s.Name)
		}
		if s.Deploy == nil || s.Deploy.Resources.Limits == nil || s.Deploy.Resources.Limits.MemoryBytes == 0 || s.Deploy.Resources.Limits.NanoCPUs == 0 {
			out.add("%s: no limit of cpus and memory", s.Name)
		}
		if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			out.add("%s: may gain privileges", s.Name)
		}
		if strings.HasPrefix(s.Name, "node") {
			checkComposeNode(&out, s, env)
		}
	}
	checkComposeDatabase(&out, project)
	return out
}

func checkComposeNode(out *problems, s types.ServiceConfig, env map[string]string) {
	get := func(name string) string {
		if v := s.Environment[name]; v != nil {
			return *v
		}
		return ""
	}
	for name := range s.Environment {
		if !slices.Contains(variables(), name) {
			out.add("%s: %s is no key of the configuration", s.Name, name)
		}
	}
	if get("HOOKSWITCH_ADMIN_KEY") != env["HOOKSWITCH_ADMIN_KEY"] {
		out.add("%s: HOOKSWITCH_ADMIN_KEY does not come from .env", s.Name)
	}
	if u, err := url.Parse(get("HOOKSWITCH_DATABASE")); err != nil || u.Scheme != "postgres" || u.Host != "postgres:5432" {
		out.add("%s: HOOKSWITCH_DATABASE is not the service postgres", s.Name)
	} else if password, _ := u.User.Password(); password != env["POSTGRES_PASSWORD"] {
		out.add("%s: the password of HOOKSWITCH_DATABASE does not come from .env", s.Name)
	}
	if got := get("HOOKSWITCH_LISTEN"); got != ":8480" {
		out.add("%s: listens on %s, the balancer asks 8480", s.Name, got)
	}
	if got := get("HOOKSWITCH_CONNECTIONS_PER_ADDRESS_MAX"); got != "4096" { // the default of connections-max
		out.add("%s: takes %q connections of the balancer's address", s.Name, got)
	}
	drain, err := time.ParseDuration(get("HOOKSWITCH_DRAIN_TIMEOUT"))
	if err != nil || s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) <= drain {
		out.add("%s: stop_grace_period does not exceed the drain timeout", s.Name)
	}
	if s.DependsOn["postgres"].Condition != types.ServiceConditionHealthy {
		out.add("%s: does not wait until postgres is service_healthy", s.Name)
	}
	// The image has no shell and no other program.
	if s.HealthCheck == nil || len(s.HealthCheck.Test) < 2 || s.HealthCheck.Test[0] != "CMD" || s.HealthCheck.Test[1] != program {
		out.add("%s: the healthcheck is not by %s", s.Name, program)
	}
	if !s.ReadOnly {
		out.add("%s: not read_only", s.Name)
	}
	if s.User != "65532:65532" || !slices.Equal(s.CapDrop, []string{"ALL"}) {
		out.add("%s: user %s with capabilities", s.Name, s.User)
	}
	if s.Build == nil || s.Build.Dockerfile == "" {
		out.add("%s: is not built from the Dockerfile", s.Name)
	} else if got, err := filepath.Rel(s.Build.Context, filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil || got != "deploy/Dockerfile" {
		out.add("%s: is built from %s", s.Name, got)
	}
}

func checkComposeDatabase(out *problems, project *types.Project) {
	s, ok := project.Services["postgres"]
	if !ok {
		out.add("no service postgres")
		return
	}
	_, tag, _ := strings.Cut(s.Image, ":")
	if major, err := strconv.Atoi(tag); err != nil || major < 15 {
		out.add("%s: want PostgreSQL 15 or newer", s.Image)
	}
	if !slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool {
		_, declared := project.Volumes[v.Source]
		return v.Type == types.VolumeTypeVolume && declared && v.Target == "/var/lib/postgresql/data"
	}) {
		out.add("postgres: its data is in no named volume")
	}
	if len(s.Networks) != 1 || !project.Networks["store"].Internal {
		out.add("postgres: its networks are reached by others than the nodes")
	}
}
