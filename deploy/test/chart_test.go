package deploy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"text/template"

	"helm.sh/helm/v4/pkg/chart/common"
	commonutil "helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	sigsyaml "sigs.k8s.io/yaml"
)

const (
	chartFolder = "../helm/hookswitch"
	releaseName = "prod"
	namespace   = "hooks"
)

// A valueSet is one way to install the chart.
type valueSet struct {
	name   string
	values string
	// secrets are the Secrets that its user has made before, with their entries.
	secrets map[string][]string
	// configs are the ConfigMaps that its user has made before, with their entries.
	configs map[string][]string
	// found are the Secrets that an upgrade finds in the cluster, with their encoded entries.
	found map[string]map[string]any
	// kinds are the kinds of objects that it has to make, beside those that every set makes.
	kinds []string
}

// database is the Secret that the default values ask for.
func database() map[string][]string { return map[string][]string{"hookswitch-database": {"url"}} }

// everySet are the value sets that the chart is proven with.
func everySet() []valueSet {
	return []valueSet{
		{name: "default values", secrets: database(), kinds: []string{"Secret", "Secret", "ServiceAccount", "PodDisruptionBudget"}},
		{
			name: "existing secrets",
			values: `
adminKey: {existingSecret: keys, secretKey: admin}
masterKeyset: {existingSecret: master, secretKey: keyset.json}
egressProxy: {existingSecret: proxy, secretKey: address}
database: {existingSecret: db, secretKey: dsn}`,
			secrets: map[string][]string{"keys": {"admin"}, "db": {"dsn"}, "master": {"keyset.json"}, "proxy": {"address"}},
			kinds:   []string{"ServiceAccount", "PodDisruptionBudget"},
		},
		{
			name: "a given key", values: `adminKey: {value: 'hsk_#0:{odd}"characters"'}`,
			secrets: database(), kinds: []string{"Secret", "Secret", "ServiceAccount", "PodDisruptionBudget"},
		},
		{
			name: "ingress",
			values: `
ingress:
  enabled: true
  className: nginx
  annotations: {nginx.ingress.kubernetes.io/proxy-read-timeout: "75"}
  hosts: [hooks.example, hooks.example.org]
  tls: [{secretName: hooks-tls, hosts: [hooks.example]}]`,
			secrets: database(), kinds: []string{"Secret", "Secret", "ServiceAccount", "PodDisruptionBudget", "Ingress"},
		},
		{
			name: "its own PostgreSQL", values: `postgresql: {enabled: true, storage: {className: fast}}`,
			kinds: []string{"Secret", "Secret", "ServiceAccount", "PodDisruptionBudget", "Secret", "Service", "StatefulSet"},
		},
		{
			name: "autoscaling", values: `autoscaling: {enabled: true, maxReplicas: 20}`,
			secrets: database(), kinds: []string{"Secret", "Secret", "ServiceAccount", "PodDisruptionBudget", "HorizontalPodAutoscaler"},
		},
		{
			name: "monitoring", values: `serviceMonitor: {enabled: true, labels: {release: prometheus}}`,
			secrets: database(), kinds: []string{"Secret", "Secret", "ServiceAccount", "PodDisruptionBudget", "ServiceMonitor"},
		},
		{
			name: "a certificate and tokens",
			values: `
tls: {existingSecret: hooks-tls}
service: {port: 443}
serviceMonitor: {enabled: true}
config: {oidc: {issuer: "https://login.example/realms/main", audience: hookswitch, caConfigMap: authority, clientId: console, clientSecret: hooks-console}}`,
			secrets: map[string][]string{"hookswitch-database": {"url"}, "hooks-console": {"client-secret"}, "hooks-tls": {"tls.crt", "tls.key", "ca.crt"}},
			configs: map[string][]string{"authority": {"ca.crt"}},
			kinds:   []string{"Secret", "Secret", "ServiceAccount", "PodDisruptionBudget", "ServiceMonitor"},
		},
		{
			name: "an operators' port",
			values: `
tls: {existingSecret: hooks-tls, certKey: chain.pem, keyKey: key.pem, caKey: ""}
operations: {enabled: true, from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}, podSelector: {matchLabels: {app.kubernetes.io/name: prometheus}}}]}
ingress: {enabled: true, hosts: [hooks.example]}
service: {type: LoadBalancer}
serviceMonitor: {enabled: true}
prometheusRule: {enabled: true, labels: {release: prometheus}}`,
			secrets: map[string][]string{"hookswitch-database": {"url"}, "hooks-tls": {"chain.pem", "key.pem"}},
			kinds:   []string{"Secret", "Secret", "ServiceAccount", "PodDisruptionBudget", "Ingress", "Service", "ServiceMonitor", "PrometheusRule", "NetworkPolicy"},
		},
		{
			name: "closed ingress and egress",
			values: `
postgresql: {enabled: true}
networkPolicy:
  enabled: true
  from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}}]
  egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 443, protocol: TCP}]}]`,
			kinds: []string{"Secret", "Secret", "ServiceAccount", "PodDisruptionBudget", "Secret", "Service", "StatefulSet", "NetworkPolicy", "NetworkPolicy"},
		},
		{
			name: "as little as can be",
			values: `
fullnameOverride: h
serviceAccount: {create: false}
podDisruptionBudget: {enabled: false}
topologySpreadConstraints: []
preStopSeconds: 0
resources: {}
networkPolicy: {enabled: true}
image: {digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}`,
			secrets: database(), kinds: []string{"Secret", "Secret", "NetworkPolicy"},
		},
		{
			name: "all else",
			values: `
nameOverride: a-name-that-is-rather-long-for-an-object-in-a-cluster-12345
image: {repository: registry.example:5000/hookswitch, tag: edge, pullPolicy: Always}
imagePullSecrets: [{name: registry}]
config:
  publicUrl: https://hooks.example/base
  allowPrivateTargets: [10.20.0.0/16, 192.168.1.5, "fd00::/8"]
  logFormat: text
  logLevel: debug
  drainTimeoutSeconds: 600
  leaseSeconds: 120
service: {type: LoadBalancer, port: 8443, annotations: {a/b: "true"}}
serviceAccount: {name: robot, annotations: {a/b: "1"}}
podDisruptionBudget: {maxUnavailable: 30%}
podAnnotations: {a/b: "yes"}
podLabels: {team: chat, app.kubernetes.io/name: not-mine}
priorityClassName: high
nodeSelector: {disk: ssd}
tolerations: [{key: dedicated, operator: Exists}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}
prometheusRule: {enabled: true}
extraEnv: [{name: SSL_CERT_DIR, value: /etc/authority}]
extraVolumes: [{name: authority, configMap: {name: authority, optional: true}}]
extraVolumeMounts: [{name: authority, mountPath: /etc/authority, readOnly: true}]`,
			secrets: database(), configs: map[string][]string{"authority": {}}, kinds: []string{"Secret", "Secret", "ServiceAccount", "PodDisruptionBudget", "PrometheusRule"},
		},
	}
}

// everyKind are the objects that every set makes.
func everyKind() []string { return []string{"ConfigMap", "Deployment", "Service", "Pod"} }

func TestChart(t *testing.T) {
	for _, set := range everySet() {
		t.Run(set.name, func(t *testing.T) {
			r, err := install(chartFolder, set)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range r.problems() {
				t.Error(p)
			}
			var got []string
			for _, o := range r.objects {
				got = append(got, o.GetObjectKind().GroupVersionKind().Kind)
			}
			want := slices.Concat(everyKind(), set.kinds)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("made %v, want %v", got, want)
			}
		})
	}
}

// Values that cannot work are refused before anything is installed, in words that say what is wrong.
func TestBadValuesAreRefused(t *testing.T) {
	for _, c := range []struct{ name, values, want string }{
		{"no database at all", `database: {existingSecret: ""}`, "database.existingSecret"},
		{"an unknown name", `replicas: 3`, "replicas"},
		{"an unknown name below", `config: {adminKey: a-secret-of-16-and-more}`, "adminKey"},
		{"a word for a number", `replicaCount: three`, "replicaCount"},
		{"a slash at the end of the public URL", `config: {publicUrl: "https://hooks.example/"}`, "publicUrl"},
		{"a short key", `adminKey: {value: short}`, "adminKey"},
		{"a lease that a request may outlast", `config: {leaseSeconds: 60}`, "leaseSeconds"},
		{"too long a drain", `config: {drainTimeoutSeconds: 601}`, "drainTimeoutSeconds"},
		{"a password that no URL takes", `postgresql: {enabled: true, password: "a/b"}`, "password"},
		{"a digest that is none", `image: {digest: latest}`, "digest"},
		{"an ingress without a host", `ingress: {enabled: true}`, "ingress.hosts"},
		{"fewer at most than at least", `autoscaling: {enabled: true, minReplicas: 5, maxReplicas: 4}`, "minReplicas"},
		{"an operators' port for everybody", `operations: {enabled: true}`, "operations.from"},
		{"an operators' port for whoever is selected by nothing", `operations: {enabled: true, from: [{}]}`, "operations/from"},
		{"an operators' port on the first port", `operations: {enabled: true, port: 8480, from: [{podSelector: {}}]}`, "operations/port"},
		{"an issuer without an audience", `config: {oidc: {issuer: "https://login.example"}}`, "config.oidc.audience"},
		{"scopes without openid", `config: {oidc: {scopes: [profile]}}`, "scopes"},
		{"an issuer in plain HTTP", `config: {oidc: {issuer: "http://login.example", audience: a}}`, "issuer"},
		{"no requests at all", `config: {requestsMax: 0}`, "requestsMax"},
		{"a budget of nonsense", `podDisruptionBudget: {maxUnavailable: some}`, "maxUnavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := render(chartFolder, valueSet{values: c.values})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error that names %s", err, c.want)
			}
		})
	}
}

// A release is what the chart becomes with a value set.
type release struct {
	set     valueSet
	objects []runtime.Object
	notes   string
}

// install lints the chart and renders it, as `helm lint --strict` and `helm install` do.
func install(folder string, set valueSet) (*release, error) {
	values, err := parseValues(set.values)
	if err != nil {
		return nil, err
	}
	var faults []error
	for _, m := range lint.RunAll(folder, values, namespace).Messages {
		if m.Severity >= support.WarningSev {
			faults = append(faults, m)
		}
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("lint: %w", errors.Join(faults...))
	}
	return render(folder, set)
}

func parseValues(text string) (map[string]any, error) {
	values := map[string]any{}
	if err := sigsyaml.UnmarshalStrict([]byte(text), &values); err != nil {
		return nil, fmt.Errorf("parse values: %w", err)
	}
	return values, nil
}

func render(folder string, set valueSet) (*release, error) {
	values, err := parseValues(set.values)
	if err != nil {
		return nil, err
	}
	chart, err := loader.LoadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("load chart: %w", err)
	}
	options := common.ReleaseOptions{Name: releaseName, Namespace: namespace, Revision: 1, IsInstall: true}
	all, err := commonutil.ToRenderValues(chart, values, options, common.DefaultCapabilities)
	if err != nil {
		return nil, fmt.Errorf("check values: %w", err)
	}
	lookup := func(_, kind, _, name string) map[string]any {
		if data, ok := set.found[name]; ok && kind == "Secret" {
			return map[string]any{"data": data}
		}
		return map[string]any{} // as Helm answers for what does not exist
	}
	files, err := engine.Engine{Strict: true, CustomTemplateFuncs: template.FuncMap{"lookup": lookup}}.RenderWithContext(context.Background(), chart, all)
	if err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	r := &release{set: set}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch path.Base(name) {
		case "_helpers.tpl":
		case "NOTES.txt":
			r.notes = files[name]
		default:
			objects, err := decode(files[name])
			if err != nil {
				return nil, fmt.Errorf("decode %s: %w", name, err)
			}
			r.objects = append(r.objects, objects...)
		}
	}
	return r, nil
}

// decode reads the documents of one file strictly: a kind or a field that Kubernetes does not know is an error, and so is a
// key that is given twice.
func decode(text string) ([]runtime.Object, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		core.AddToScheme, apps.AddToScheme, networking.AddToScheme, policy.AddToScheme, autoscaling.AddToScheme, monitoring.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("make scheme: %w", err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	documents := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	var out []runtime.Object
	for {
		document, err := documents.Read()
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("divide documents: %w", err)
		}
		if empty, err := isEmpty(document); err != nil || empty {
			if err != nil {
				return nil, err
			}
			continue
		}
		object, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			return nil, err
		}
		out = append(out, object)
	}
}

// isEmpty reports whether a document holds comments at most.
func isEmpty(document []byte) (bool, error) {
	data, err := sigsyaml.YAMLToJSONStrict(document)
	if err != nil {
		return false, fmt.Errorf("parse YAML: %w", err)
	}
	return bytes.Equal(bytes.TrimSpace(data), []byte("null")), nil
}

// faulty makes a copy of a folder in which, in one file, one text stands for another.
func faulty(t *testing.T, folder, name, old, replacement string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(folder)); err != nil {
		t.Fatalf("copy %s: %v", folder, err)
	}
	file := path.Join(dir, name)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("read copy: %v", err)
	}
	if err := os.WriteFile(file, []byte(replaceOnce(t, string(text), old, replacement)), 0o600); err != nil {
		t.Fatalf("write copy: %v", err)
	}
	return dir
}

// replaceOnce puts one text for the first occurrence of another, which must occur: a fault that is not there proves nothing.
func replaceOnce(t *testing.T, text, old, replacement string) string {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("%q does not occur, so it cannot be replaced", old)
	}
	return strings.Replace(text, old, replacement, 1)
}
