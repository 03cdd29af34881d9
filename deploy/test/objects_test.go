package deploy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// problems lists in what the objects do not agree with each other or with the program.
func (r *release) problems() []string {
	var out problems
	r.checkNames(&out)
	r.checkSelectors(&out)
	r.checkReferences(&out)
	r.checkSecrecy(&out)
	for _, p := range r.pods() {
		p.checkSecurity(&out)
		p.checkContainers(&out)
	}
	r.checkNode(&out)
	return out
}

type problems []string

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

// each returns the objects of one type.
func each[T any](r *release) []T {
	var out []T
	for _, o := range r.objects {
		if v, ok := o.(T); ok {
			out = append(out, v)
		}
	}
	return out
}

// A pod is what an object makes pods from.
type pod struct {
	owner  string
	labels map[string]string
	spec   core.PodSpec
	claims []core.PersistentVolumeClaim
}

func (r *release) pods() []pod {
	var out []pod
	for _, o := range each[*apps.Deployment](r) {
		out = append(out, pod{"Deployment/" + o.Name, o.Spec.Template.Labels, o.Spec.Template.Spec, nil})
	}
	for _, o := range each[*apps.StatefulSet](r) {
		out = append(out, pod{"StatefulSet/" + o.Name, o.Spec.Template.Labels, o.Spec.Template.Spec, o.Spec.VolumeClaimTemplates})
	}
	for _, o := range each[*core.Pod](r) {
		out = append(out, pod{"Pod/" + o.Name, o.Labels, o.Spec, nil})
	}
	return out
}

// selected are the owners of the pods that a selector finds.
func (r *release) selected(s labels.Selector) []string {
	var out []string
	for _, p := range r.pods() {
		if s.Matches(labels.Set(p.labels)) {
			out = append(out, p.owner)
		}
	}
	return out
}

func (r *release) checkNames(out *problems) {
	seen := map[string]bool{}
	for _, o := range r.objects {
		m, ok := o.(meta.Object)
		if !ok {
			out.add("%T has no metadata", o)
			continue
		}
		kind := o.GetObjectKind().GroupVersionKind().Kind
		id := kind + "/" + m.GetName()
		if seen[id] {
			out.add("%s is made twice", id)
		}
		seen[id] = true
		if n := len(m.GetName()); n == 0 || n > 63 {
			out.add("%s: a name has 1 to 63 characters", id)
		}
		if m.GetLabels()["app.kubernetes.io/instance"] != releaseName || m.GetLabels()["app.kubernetes.io/managed-by"] == "" {
			out.add("%s: does not say to which release it belongs", id)
		}
	}
}

// checkSelectors shows that what selects pods finds those that it means, and no others.
func (r *release) checkSelectors(out *problems) {
	expect := func(what string, s *meta.LabelSelector, want string) {
		selector, err := meta.LabelSelectorAsSelector(s)
		if err != nil || s == nil || selector.Empty() {
			out.add("%s: a selector that selects nothing or everything", what)
			return
		}
		if got := r.selected(selector); !slices.Equal(got, []string{want}) {
			out.add("%s: selects %v, want %s", what, got, want)
		}
	}
	node := "Deployment/" + r.node().Name
	database := "StatefulSet/" + r.node().Name + "-postgresql"
	of := func(name string) string {
		if strings.HasSuffix(name, "-postgresql") {
			return database
		}
		return node
	}
	for _, o := range each[*apps.Deployment](r) {
		expect("Deployment", o.Spec.Selector, node)
		for i, c := range o.Spec.Template.Spec.TopologySpreadConstraints {
			expect(fmt.Sprintf("topologySpreadConstraints %d", i), c.LabelSelector, node)
		}
	}
	for _, o := range each[*apps.StatefulSet](r) {
		expect("StatefulSet", o.Spec.Selector, database)
	}
	for _, o := range each[*core.Service](r) {
		expect("Service/"+o.Name, &meta.LabelSelector{MatchLabels: o.Spec.Selector}, of(o.Name))
	}
	for _, o := range each[*policy.PodDisruptionBudget](r) {
		expect("PodDisruptionBudget", o.Spec.Selector, node)
	}
	for _, o := range each[*networking.NetworkPolicy](r) {
		expect("NetworkPolicy/"+o.Name, &o.Spec.PodSelector, of(o.Name))
	}
}

// checkReferences shows that what is named exists: ports, ConfigMaps, Secrets with their entries, accounts, Services.
func (r *release) checkReferences(out *problems) {
	secrets := maps.Clone(r.set.secrets)
	if secrets == nil {
		secrets = map[string][]string{}
	}
	for _, o := range each[*core.Secret](r) {
		secrets[o.Name] = slices.Concat(slices.Collect(maps.Keys(o.Data)), slices.Collect(maps.Keys(o.StringData)))
	}
	hasSecret := func(who string, ref *core.SecretKeySelector) {
		if !slices.Contains(secrets[ref.Name], ref.Key) {
			out.add("%s: no Secret %s has an entry %s", who, ref.Name, ref.Key)
		}
	}
	configs := map[string]bool{}
	for _, o := range each[*core.ConfigMap](r) {
		configs[o.Name] = true
	}
	for _, p := range r.pods() {
		p.checkVolumes(out, secrets, r.set.configs)
	}
	accounts := map[string]bool{"default": true}
	for _, o := range each[*core.ServiceAccount](r) {
		accounts[o.Name] = true
	}
	for _, p := range r.pods() {
		if !accounts[p.spec.ServiceAccountName] {
			out.add("%s: no ServiceAccount %s", p.owner, p.spec.ServiceAccountName)
		}
		for _, c := range p.spec.Containers {
			for _, e := range c.Env {
				if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
					hasSecret(p.owner, e.ValueFrom.SecretKeyRef)
				}
			}
			for _, e := range c.EnvFrom {
				if e.ConfigMapRef == nil || !configs[e.ConfigMapRef.Name] {
					out.add("%s: no ConfigMap for envFrom", p.owner)
				}
			}
		}
	}
	r.checkPorts(out)
	for _, o := range each[*autoscaling.HorizontalPodAutoscaler](r) {
		if ref := o.Spec.ScaleTargetRef; ref.Kind != "Deployment" || ref.APIVersion != "apps/v1" || ref.Name != r.node().Name {
			out.add("HorizontalPodAutoscaler: scales %s %s", ref.Kind, ref.Name)
		}
	}
	for _, o := range each[*monitoring.ServiceMonitor](r) {
		for _, e := range o.Spec.Endpoints {
			if e.TLSConfig != nil && e.TLSConfig.CA.Secret != nil {
				hasSecret("ServiceMonitor", e.TLSConfig.CA.Secret)
			}
			if open := e.Port == "operations"; open != (e.Authorization == nil || e.Authorization.Credentials == nil) {
				out.add("ServiceMonitor: /metrics asks for a key, but at the operators' port")
			} else if !open {
				hasSecret("ServiceMonitor", e.Authorization.Credentials)
			}
		}
	}
}

func (r *release) checkPorts(out *problems) {
	services := map[string]*core.Service{}
	for _, o := range each[*core.Service](r) {
		services[o.Name] = o
		for _, p := range r.pods() {
			if !labels.SelectorFromSet(o.Spec.Selector).Matches(labels.Set(p.labels)) {
				continue
			}
			for _, port := range o.Spec.Ports {
				if !p.hasPort(port.TargetPort.StrVal) {
					out.add("Service/%s: %s has no port %s", o.Name, p.owner, port.TargetPort.String())
				}
			}
		}
	}
	hasPort := func(who, service, port string) {
		s, ok := services[service]
		if !ok || !slices.ContainsFunc(s.Spec.Ports, func(p core.ServicePort) bool { return p.Name == port }) {
			out.add("%s: no Service %s with a port %s", who, service, port)
		}
	}
	for _, o := range each[*networking.Ingress](r) {
		for _, rule := range o.Spec.Rules {
			for _, p := range rule.HTTP.Paths {
				hasPort("Ingress", p.Backend.Service.Name, p.Backend.Service.Port.Name)
			}
		}
	}
	for _, o := range each[*monitoring.ServiceMonitor](r) {
		selector, err := meta.LabelSelectorAsSelector(&o.Spec.Selector)
		var found []string
		for name, s := range services {
			if err == nil && selector.Matches(labels.Set(s.Labels)) {
				found = append(found, name)
			}
		}
		if len(found) != 1 {
			out.add("ServiceMonitor: selects the Services %v, want one", found)
			continue
		}
		for _, e := range o.Spec.Endpoints {
			hasPort("ServiceMonitor", found[0], e.Port)
			if e.Path != "/metrics" {
				out.add("ServiceMonitor: reads %s", e.Path)
			}
		}
	}
	for _, o := range each[*apps.StatefulSet](r) {
		if services[o.Spec.ServiceName] == nil {
			out.add("StatefulSet: no Service %s", o.Spec.ServiceName)
		}
		for _, s := range each[*core.Secret](r) {
			if text, ok := s.Data["url"]; ok {
				u, err := url.Parse(string(text))
				if err != nil || u.Scheme != "postgres" || services[u.Hostname()] == nil {
					out.add("Secret/%s: its URL names no Service", s.Name)
				}
			}
		}
	}
}

func (p pod) hasPort(name string) bool {
	return slices.ContainsFunc(p.spec.Containers, func(c core.Container) bool {
		return slices.ContainsFunc(c.Ports, func(port core.ContainerPort) bool { return port.Name == name })
	})
}

// checkSecrecy shows that what is secret is in Secrets only: in no ConfigMap, in no variable, argument or annotation.
func (r *release) checkSecrecy(out *problems) {
	var hidden []string
	for _, o := range each[*core.Secret](r) {
		for _, v := range o.Data {
			hidden = append(hidden, asJSON(string(v)))
		}
	}
	for _, o := range r.objects {
		if _, secret := o.(*core.Secret); secret {
			continue
		}
		for _, h := range hidden {
			if strings.Contains(asJSON(o), h) {
				out.add("%s shows what is secret", o.GetObjectKind().GroupVersionKind().Kind)
			}
		}
	}
	for _, h := range hidden {
		if strings.Contains(asJSON(r.notes), h) {
			out.add("NOTES.txt shows what is secret")
		}
	}
	for _, o := range each[*core.ConfigMap](r) {
		for name := range o.Data {
			if slices.Contains(secretVariables(), name) {
				out.add("ConfigMap/%s holds %s, which belongs in a Secret", o.Name, name)
			}
		}
	}
	for _, p := range r.pods() {
		for _, c := range p.spec.Containers {
			for _, e := range c.Env {
				if slices.Contains(secretVariables(), e.Name) && (e.ValueFrom == nil || e.ValueFrom.SecretKeyRef == nil) {
					out.add("%s: %s is not taken from a Secret", p.owner, e.Name)
				}
			}
		}
	}
}

// asJSON is the text that a value has within JSON.
func asJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // objects that were decoded from JSON can be encoded
	}
	return strings.Trim(string(data), `"`)
}

// secretVariables are those that are secret, wherever they stand: the database's URL holds a password.
func secretVariables() []string {
	return []string{"HOOKSWITCH_ADMIN_KEY", "HOOKSWITCH_MASTER_KEYSET", "HOOKSWITCH_DATABASE", "HOOKSWITCH_EGRESS_PROXY", "HOOKSWITCH_SMTP", "POSTGRES_PASSWORD"}
}

// checkSecurity shows that the pods are what Kubernetes' Pod Security Standards call restricted, and more: a root filesystem that
// is read only, no token, no variables of other Services (https://kubernetes.io/docs/concepts/security/pod-security-standards/).
func (p pod) checkSecurity(out *problems) {
	isTrue := func(b *bool) bool { return b != nil && *b }
	isFalse := func(b *bool) bool { return b != nil && !*b }
	s := p.spec.SecurityContext
	if s == nil || !isTrue(s.RunAsNonRoot) || s.RunAsUser == nil || *s.RunAsUser == 0 {
		out.add("%s: may run as root", p.owner)
	}
	if s == nil || s.SeccompProfile == nil || s.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		out.add("%s: has not the runtime's seccomp profile", p.owner)
	}
	if !isFalse(p.spec.AutomountServiceAccountToken) {
		out.add("%s: gets a token for Kubernetes", p.owner)
	}
	if !isFalse(p.spec.EnableServiceLinks) {
		out.add("%s: gets variables of other Services, whose names may begin with HOOKSWITCH_", p.owner)
	}
	for _, c := range p.spec.Containers {
		s := c.SecurityContext
		switch {
		case s == nil:
			out.add("%s: no securityContext", p.owner)
			continue
		case !isTrue(s.ReadOnlyRootFilesystem):
			out.add("%s: writes to its root filesystem", p.owner)
		case !isFalse(s.AllowPrivilegeEscalation) || isTrue(s.Privileged):
			out.add("%s: may gain privileges", p.owner)
		}
		if s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
			out.add("%s: keeps capabilities", p.owner)
		}
	}
}

// checkContainers shows that what containers list is listed once, and that what they mount is there.
func (p pod) checkContainers(out *problems) {
	volumes := map[string]bool{}
	for _, v := range p.spec.Volumes {
		volumes[v.Name] = true
	}
	for _, v := range p.claims {
		volumes[v.Name] = true
	}
	for _, c := range p.spec.Containers {
		names := map[string]bool{}
		for _, e := range c.Env {
			if names[e.Name] {
				out.add("%s: %s is set twice", p.owner, e.Name)
			}
			names[e.Name] = true
		}
		places := map[string]bool{}
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				out.add("%s: mounts %s, which does not exist", p.owner, m.Name)
			}
			if places[m.MountPath] {
				out.add("%s: mounts two volumes at %s", p.owner, m.MountPath)
			}
			places[m.MountPath] = true
		}
	}
}

// node is the Deployment of the nodes; the zero Deployment where there is not exactly one.
func (r *release) node() *apps.Deployment {
	if all := each[*apps.Deployment](r); len(all) == 1 {
		return all[0]
	}
	return &apps.Deployment{}
}

// checkNode shows that the Deployment treats a node as the program wants to be treated.
func (r *release) checkNode(out *problems) {
	d := r.node()
	if len(d.Spec.Template.Spec.Containers) != 1 {
		out.add("not one Deployment with one container")
		return
	}
	if u := d.Spec.Strategy.RollingUpdate; u == nil || u.MaxUnavailable.String() != "0" || u.MaxSurge.String() != "1" {
		out.add("an upgrade takes an old node before a new one is ready")
	}
	if scaled := len(each[*autoscaling.HorizontalPodAutoscaler](r)) > 0; scaled != (d.Spec.Replicas == nil) {
		out.add("replicas are set and scaled, or neither")
	}
	c := d.Spec.Template.Spec.Containers[0]
	environment := map[string]string{}
	for _, m := range each[*core.ConfigMap](r) {
		maps.Copy(environment, m.Data)
	}
	for name := range environment {
		if !slices.Contains(variables(), name) {
			out.add("ConfigMap: %s is no key of the configuration", name)
		}
	}
	for _, e := range c.Env {
		if _, twice := environment[e.Name]; twice {
			out.add("%s is set twice", e.Name)
		}
	}
	for _, name := range []string{"HOOKSWITCH_ADMIN_KEY_FILE", "HOOKSWITCH_DATABASE_FILE", "HOOKSWITCH_MASTER_KEYSET_FILE"} {
		if environment[name] == "" {
			out.add("the nodes do not get %s", name)
		}
	}
	checkFiles(out, r.pods()[0], environment)
	if u, err := url.Parse(environment["HOOKSWITCH_PUBLIC_URL"]); err != nil || u.Host == "" || strings.HasSuffix(u.Path, "/") {
		out.add("HOOKSWITCH_PUBLIC_URL is %q", environment["HOOKSWITCH_PUBLIC_URL"])
	}
	ports := map[string]string{"http": environment["HOOKSWITCH_LISTEN"], "operations": environment["HOOKSWITCH_OPERATIONS_LISTEN"]}
	for _, p := range c.Ports {
		if ports[p.Name] != fmt.Sprintf(":%d", p.ContainerPort) {
			out.add("the container's port %s is not the one that is listened on", p.Name)
		}
		delete(ports, p.Name)
	}
	for name, address := range ports {
		if address != "" {
			out.add("the container has no port %s for what is listened on", name)
		}
	}
	checkGrace(out, d.Spec.Template.Spec, environment["HOOKSWITCH_DRAIN_TIMEOUT"])
	checkProbes(out, c, environment)
}

// checkGrace shows that the pause before the end and the whole drain fit into the grace period.
func checkGrace(out *problems, spec core.PodSpec, drainTimeout string) {
	drain, err := time.ParseDuration(drainTimeout)
	if err != nil {
		out.add("HOOKSWITCH_DRAIN_TIMEOUT: %v", err)
	}
	var pause time.Duration
	if l := spec.Containers[0].Lifecycle; l != nil && l.PreStop != nil && l.PreStop.Sleep != nil {
		pause = time.Duration(l.PreStop.Sleep.Seconds) * time.Second
	}
	if g := spec.TerminationGracePeriodSeconds; g == nil || time.Duration(*g)*time.Second <= pause+drain {
		out.add("terminationGracePeriodSeconds does not exceed the pause of %v and the drain of %v", pause, drain)
	}
}

func checkProbes(out *problems, c core.Container, environment map[string]string) {
	port, scheme := "http", core.URISchemeHTTP
	switch {
	case environment["HOOKSWITCH_OPERATIONS_LISTEN"] != "":
		port = "operations" // which callers cannot fill, and which is never TLS
	case environment["HOOKSWITCH_TLS_CERT"] != "":
		scheme = core.URISchemeHTTPS
	}
	for _, probe := range []struct {
		name, path string
		probe      *core.Probe
	}{
		{"startupProbe", "/healthz", c.StartupProbe},
		{"livenessProbe", "/healthz", c.LivenessProbe},
		{"readinessProbe", "/readyz", c.ReadinessProbe},
	} {
		if probe.probe == nil || probe.probe.HTTPGet == nil || probe.probe.HTTPGet.Path != probe.path || probe.probe.HTTPGet.Port.String() != port {
			out.add("%s does not ask for %s at the port %s", probe.name, probe.path, port)
		} else if got := cmp.Or(probe.probe.HTTPGet.Scheme, core.URISchemeHTTP); got != scheme {
			out.add("%s asks by %s, want %s", probe.name, got, scheme)
		}
	}
	// /readyz waits for the store for up to 2 s (readyWaitMax in internal/api).
	if c.ReadinessProbe != nil && c.ReadinessProbe.TimeoutSeconds <= 2 {
		out.add("readinessProbe gives up before /readyz answers")
	}
}
