package deploy

import (
	"strings"
	"testing"
)

// Every rule about the chart finds its fault: each row breaks a copy of the chart in one place.
func TestFaultsInTheChartAreFound(t *testing.T) {
	const everything = `
ingress: {enabled: true, hosts: [hooks.example]}
postgresql: {enabled: true}
autoscaling: {enabled: true}
serviceMonitor: {enabled: true}
networkPolicy: {enabled: true}`
	for _, c := range []struct{ name, file, old, replacement, want string }{
		{"a template that does not parse", "templates/service.yaml", "{{ .Values.service.type }}", "{{ .Values.service.type }", "lint"},
		{"a template of no YAML", "templates/service.yaml", "spec:", "spec: [", "lint"},
		{"a chart without a version", "Chart.yaml", "\nversion: 0.1.0", "", "version"},
		{"a value that is nowhere", "templates/service.yaml", ".Values.service.type", ".Values.service.kind", "kind"},
		{"a default that the schema does not know", "values.yaml", "replicaCount: 3", "replicaCount: 3\nreplicas: 3", "replicas"},
		{"an API that Kubernetes removed", "templates/poddisruptionbudget.yaml", "policy/v1", "policy/v1beta1", "policy/v1beta1"},
		{"an unknown kind", "templates/service.yaml", "kind: Service", "kind: Servce", "Servce"},
		{"an unknown field", "templates/deployment.yaml", "revisionHistoryLimit", "revisionsHistoryLimit", "revisionsHistoryLimit"},
		{"an unknown field deep within", "templates/deployment.yaml", "periodSeconds: 10", "intervalSeconds: 10", "intervalSeconds"},
		{"a field in another case", "templates/deployment.yaml", "failureThreshold: 150", "failurethreshold: 150", "failurethreshold"},
		{"a field that is given twice", "templates/service.yaml", "spec:", "spec:\n  type: ClusterIP", "type"},
		{"a text where a number belongs", "templates/deployment.yaml", "periodSeconds: 10", "periodSeconds: often", "periodSeconds"},
		{"an unknown field of a ServiceMonitor", "templates/servicemonitor.yaml", "scrapeTimeout:", "timeout:", "timeout"},
		{"an unknown field of an Ingress", "templates/ingress.yaml", "pathType:", "type:", "type"},
		{"an unknown field of a StatefulSet", "templates/postgresql.yaml", "serviceName:", "service:", "service"},
		{"the same object twice", "templates/networkpolicy.yaml", `name: {{ include "hookswitch.postgresql.fullname" . }}`, `name: {{ include "hookswitch.fullname" . }}`, "made twice"},
		{"an object without labels", "templates/service.yaml", `{{- include "hookswitch.labels" . | nindent 4 }}`, "", "to which release"},
		{"a Service that selects all pods", "templates/service.yaml", `{{- include "hookswitch.selector" . | nindent 4 }}`, `app.kubernetes.io/instance: {{ .Release.Name }}`, "selects ["},
		{"a Service of a port that is not there", "templates/service.yaml", "targetPort: http", "targetPort: web", "has no port web"},
		{"an Ingress of a port that is not there", "templates/ingress.yaml", "name: http", "name: web", "with a port web"},
		{"a ServiceMonitor without a key", "templates/servicemonitor.yaml", "credentials:", "#\n      tlsConfig:\n        keySecret:", "asks for a key"},
		{"an autoscaler of nothing", "templates/horizontalpodautoscaler.yaml", "kind: Deployment", "kind: StatefulSet", "scales StatefulSet"},
		{"an entry that the Secret has not", "templates/postgresql.yaml", "  url: {{", "  dsn: {{", "has an entry url"},
		{"a ConfigMap that is not there", "templates/deployment.yaml", "- configMapRef:\n                name: ", "- configMapRef:\n                name: x-", "no ConfigMap"},
		{"a secret in the ConfigMap", "templates/configmap.yaml", "\ndata:", "\ndata:\n  HOOKSWITCH_ADMIN_KEY: a-key-that-all-can-read", "belongs in a Secret"},
		{"a password on the command line", "templates/postgresql.yaml", "args:", "args:\n            - {{ $password }}", "shows what is secret"},
		{"a variable that is no key", "templates/configmap.yaml", "HOOKSWITCH_LEASE", "HOOKSWITCH_LEASES", "no key of the configuration"},
		{"another port than is listened on", "templates/configmap.yaml", ":8480", ":8080", "listened on"},
		{"no admin key", "templates/deployment.yaml", `{{- include "hookswitch.adminKey.env" . | nindent 12 }}`, "", "do not get HOOKSWITCH_ADMIN_KEY"},
		{"root", "templates/_helpers.tpl", "runAsUser: {{ . }}", "runAsUser: 0", "as root"},
		{"a root filesystem that can be written", "templates/_helpers.tpl", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "writes to"},
		{"an escalation", "templates/_helpers.tpl", "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "privileges"},
		{"a capability", "templates/_helpers.tpl", "drop: [ALL]", "drop: [ALL]\n  add: [NET_ADMIN]", "capabilities"},
		{"no seccomp profile", "templates/_helpers.tpl", "type: RuntimeDefault", "type: Unconfined", "seccomp"},
		{"a token", "templates/deployment.yaml", "automountServiceAccountToken: false", "automountServiceAccountToken: true", "token"},
		{"service links", "templates/deployment.yaml", "enableServiceLinks: false", "enableServiceLinks: true", "variables of other Services"},
		{"a volume that is not there", "templates/postgresql.yaml", "- name: memory\n              mountPath", "- name: shm\n              mountPath", "mounts shm"},
		{"a hasty upgrade", "templates/deployment.yaml", "maxUnavailable: 0", "maxUnavailable: 1", "before a new one"},
		{"replicas beside an autoscaler", "templates/deployment.yaml", "if not .Values.autoscaling.enabled", "if true", "set and scaled"},
		{"too short a grace period", "templates/deployment.yaml", "add .Values.preStopSeconds $drain 10", "add .Values.preStopSeconds $drain", "terminationGracePeriodSeconds"},
		{"a liveness probe that asks the database", "templates/deployment.yaml", "livenessProbe:\n            httpGet:\n              path: /healthz", "livenessProbe:\n            httpGet:\n              path: /readyz", "livenessProbe"},
		{"a hasty readiness probe", "templates/deployment.yaml", "timeoutSeconds: 3", "timeoutSeconds: 1", "gives up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := install(faulty(t, chartFolder, c.file, c.old, c.replacement), valueSet{values: everything})
			var found string
			if err != nil {
				found = err.Error()
			} else {
				found = strings.Join(r.problems(), "\n")
			}
			if !strings.Contains(found, c.want) {
				t.Errorf("found %q, want something about %q", found, c.want)
			}
		})
	}
}
