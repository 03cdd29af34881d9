package deploy

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

// sources are what a volume takes its files from.
func sources(v core.Volume) []core.VolumeProjection {
	switch {
	case v.Projected != nil:
		return v.Projected.Sources
	case v.Secret != nil:
		return []core.VolumeProjection{{Secret: &core.SecretProjection{LocalObjectReference: core.LocalObjectReference{Name: v.Secret.SecretName}, Items: v.Secret.Items}}}
	case v.ConfigMap != nil:
		return []core.VolumeProjection{{ConfigMap: &core.ConfigMapProjection{LocalObjectReference: v.ConfigMap.LocalObjectReference, Items: v.ConfigMap.Items}}}
	}
	return nil
}

// checkVolumes shows that volumes are made from what there is, that each takes what it needs of a Secret and no more, and that others
// cannot read those.
func (p pod) checkVolumes(out *problems, secrets, configs map[string][]string) {
	for _, v := range p.spec.Volumes {
		mode := v.Projected != nil && v.Projected.DefaultMode != nil && *v.Projected.DefaultMode&0o077 == 0 ||
			v.Secret != nil && v.Secret.DefaultMode != nil && *v.Secret.DefaultMode&0o077 == 0
		for _, s := range sources(v) {
			switch {
			case s.Secret != nil:
				if !mode {
					out.add("%s: others may read the volume %s", p.owner, v.Name)
				}
				if len(s.Secret.Items) == 0 {
					out.add("%s: the volume %s shows everything of the Secret %s", p.owner, v.Name, s.Secret.Name)
				}
				checkItems(out, p.owner, "Secret "+s.Secret.Name, secrets[s.Secret.Name], s.Secret.Items)
			case s.ConfigMap != nil:
				entries, ok := configs[s.ConfigMap.Name]
				if !ok {
					out.add("%s: no ConfigMap %s", p.owner, s.ConfigMap.Name)
				}
				checkItems(out, p.owner, "ConfigMap "+s.ConfigMap.Name, entries, s.ConfigMap.Items)
			case s.ServiceAccountToken != nil:
				out.add("%s: the volume %s holds a token for Kubernetes", p.owner, v.Name)
			}
		}
	}
}

func checkItems(out *problems, owner, what string, entries []string, items []core.KeyToPath) {
	for _, item := range items {
		if !slices.Contains(entries, item.Key) {
			out.add("%s: no %s has an entry %s", owner, what, item.Key)
		}
	}
}

// files are what a pod's first container finds in its volumes.
func (p pod) files() (out []string) {
	for _, m := range p.spec.Containers[0].VolumeMounts {
		for _, v := range p.spec.Volumes {
			if v.Name != m.Name {
				continue
			}
			for _, s := range sources(v) {
				var items []core.KeyToPath
				if s.Secret != nil {
					items = s.Secret.Items
				} else if s.ConfigMap != nil {
					items = s.ConfigMap.Items
				}
				for _, item := range items {
					out = append(out, path.Join(m.MountPath, item.Path))
				}
			}
		}
	}
	return out
}

// checkFiles shows that each file that the configuration names is mounted, each that is mounted for it is named, and none by a subPath,
// in which changes of a Secret would never arrive.
func checkFiles(out *problems, p pod, environment map[string]string) {
	mounted := p.files()
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		if text := environment[name]; strings.HasPrefix(text, "/") && !slices.Contains(mounted, text) {
			out.add("%s names %s, which is not mounted", name, text)
		}
	}
	named := slices.Collect(maps.Values(environment))
	for _, file := range mounted {
		if strings.HasPrefix(file, "/etc/hookswitch/") && !slices.Contains(named, file) {
			out.add("%s is mounted for nothing", file)
		}
	}
	for _, m := range p.spec.Containers[0].VolumeMounts {
		if m.SubPath != "" {
			out.add("changes never arrive at %s, which is a subPath", m.MountPath)
		}
	}
}

// The operators' port, which asks for no key, is reached by whom the values name and by nobody else: no Ingress, no load balancer and no Service of
// callers leads to it, and it makes its NetworkPolicy by itself.
func TestOperationsAreForOperators(t *testing.T) {
	r := mustRender(t, `
operations: {enabled: true, from: [{podSelector: {matchLabels: {app: prometheus}}}]}
service: {type: LoadBalancer}
ingress: {enabled: true, hosts: [hooks.example]}
serviceMonitor: {enabled: true}`)
	for _, s := range each[*core.Service](r) {
		for _, p := range s.Spec.Ports {
			if p.TargetPort.StrVal == "operations" && (s.Spec.Type != core.ServiceTypeClusterIP || len(s.Spec.Ports) != 1) {
				t.Errorf("the Service %s of type %s leads there", s.Name, s.Spec.Type)
			}
		}
	}
	for _, i := range each[*networking.Ingress](r) {
		for _, rule := range i.Spec.Rules {
			for _, p := range rule.HTTP.Paths {
				if p.Backend.Service.Port.Name != "http" || strings.HasSuffix(p.Backend.Service.Name, "-operations") {
					t.Errorf("the Ingress leads to %s", p.Backend.Service.Name)
				}
			}
		}
	}
	policies := each[*networking.NetworkPolicy](r)
	if len(policies) != 1 || !slices.Equal(policies[0].Spec.PolicyTypes, []networking.PolicyType{networking.PolicyTypeIngress}) {
		t.Fatalf("made %d policies", len(policies))
	}
	for _, rule := range policies[0].Spec.Ingress {
		for _, p := range rule.Ports {
			switch closed := len(rule.From) == 1 && rule.From[0].PodSelector.MatchLabels["app"] == "prometheus"; p.Port.StrVal {
			case "http":
				if len(rule.From) > 0 {
					t.Error("callers are kept out, too")
				}
			case "operations":
				if !closed {
					t.Errorf("the policy lets in %v", rule.From)
				}
			default:
				t.Errorf("the policy opens %s", p.Port)
			}
		}
	}
	for _, m := range each[*monitoring.ServiceMonitor](r) {
		if e := m.Spec.Endpoints[0]; e.Port != "operations" || e.Authorization != nil || e.TLSConfig != nil {
			t.Errorf("Prometheus gets the admin key, or asks elsewhere: %+v", e)
		}
	}
}

// Behind an ingress or a Service's proxy all callers have its address, so that a limit for each address would be one for all of them.
func TestOneAddressMayHaveAllConnections(t *testing.T) {
	data := each[*core.ConfigMap](mustRender(t, ""))[0].Data
	if a, b := data["HOOKSWITCH_CONNECTIONS_MAX"], data["HOOKSWITCH_CONNECTIONS_PER_ADDRESS_MAX"]; a == "" || a != b {
		t.Errorf("%s connections, %s of one address", a, b)
	}
}

// The chart's PrometheusRule has the alerts that promtool tests: a chart can reach no file outside of it, so it has a copy.
func TestPrometheusRuleIsWhatIsTested(t *testing.T) {
	const original, kept = "../prometheus/" + rulesFile, chartFolder + "/files/" + rulesFile
	if read(t, original) != read(t, kept) {
		t.Fatalf("cp deploy/prometheus/%s deploy/helm/hookswitch/files/", rulesFile)
	}
	made := each[*monitoring.PrometheusRule](mustRender(t, `prometheusRule: {enabled: true, labels: {release: prometheus}}`))
	if len(made) != 1 || made[0].Labels["release"] != "prometheus" {
		t.Fatalf("made %d", len(made))
	}
	text, err := yaml.Marshal(made[0].Spec)
	if err != nil {
		t.Fatal(err)
	}
	got, err := rulesOf(string(text))
	if err != nil {
		t.Fatal(err)
	}
	want, err := rulesOf(read(t, original))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d rules, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i].Alert != want[i].Alert || got[i].Expr != want[i].Expr || got[i].Annotations["summary"] != want[i].Annotations["summary"] {
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
}
