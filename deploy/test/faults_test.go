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
prometheusRule: {enabled: true}
egressProxy: {existingSecret: prod-hookswitch-postgresql}
config: {oidc: {issuer: "https://login.example", audience: hookswitch}}
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
		{"no admin key", "templates/configmap.yaml", "HOOKSWITCH_ADMIN_KEY_FILE", "HOOKSWITCH_SMTP_FILE", "do not get HOOKSWITCH_ADMIN_KEY_FILE"},
		{"a file that is not mounted", "templates/configmap.yaml", "/etc/hookswitch/secrets/admin-key", "/etc/hookswitch/admin-key", "which is not mounted"},
		{"a file for nothing", "templates/configmap.yaml", "HOOKSWITCH_EGRESS_PROXY_FILE: /etc/hookswitch/secrets/egress-proxy", "HOOKSWITCH_SMTP_FILE: /etc/hookswitch/secrets/database", "mounted for nothing"},
		{"a file that others may read", "templates/deployment.yaml", "defaultMode: 0400", "defaultMode: 0444", "others may read the volume secrets"},
		{"a keyset that others may read", "templates/deployment.yaml", "            secretName: {{ include \"hookswitch.masterKeyset.secretName\" . }}\n            defaultMode: 0400", "            secretName: {{ include \"hookswitch.masterKeyset.secretName\" . }}", "others may read the volume keyset"},
		{"an entry that the proxy's Secret has not", "templates/deployment.yaml", "{{ .Values.egressProxy.secretKey }}", "address", "has an entry address"},
		{"a ConfigMap that nobody made", "values.yaml", `caConfigMap: ""`, `caConfigMap: none`, "no ConfigMap none"},
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

// The rules about a certificate and an operators' port find their faults.
func TestFaultsInTheWaysInAreFound(t *testing.T) {
	const tls, operations = `tls: {existingSecret: hooks-tls}`, `operations: {enabled: true, from: [{podSelector: {}}]}`
	for _, c := range []struct{ name, values, file, old, replacement, want string }{
		{"a probe by the wrong scheme", tls, "templates/_helpers.tpl", "scheme: HTTPS", "scheme: HTTP", "asks by HTTP, want HTTPS"},
		{"a key that is not there", tls, "values.yaml", "keyKey: tls.key", "keyKey: key.pem", "has an entry key.pem"},
		{"a certificate that others may read the key of", tls, "templates/deployment.yaml", "            secretName: {{ .existingSecret }}\n            defaultMode: 0400", "            secretName: {{ .existingSecret }}", "others may read the volume tls"},
		{"a certificate that is never renewed", tls, "templates/deployment.yaml", "mountPath: /etc/hookswitch/tls\n", "mountPath: /etc/hookswitch/tls\n              subPath: tls\n", "subPath"},
		{"a certificate that is not mounted", tls, "templates/configmap.yaml", "/etc/hookswitch/tls/%s\" .Values.tls.certKey", "/tls/%s\" .Values.tls.certKey", "HOOKSWITCH_TLS_CERT names /tls/tls.crt"},
		{"a Prometheus that trusts nobody", tls, "templates/servicemonitor.yaml", "key: {{ .caKey }}", "key: authority.pem", "has an entry authority.pem"},
		{"a probe that callers can fill", operations, "templates/_helpers.tpl", "port: operations", "port: http", "at the port operations"},
		{"another operators' port than is listened on", operations, "templates/configmap.yaml", `":%d" (int .Values.operations.port)`, `":1%d" (int .Values.operations.port)`, "port operations is not the one"},
		{"an operators' port that nothing listens on", operations, "templates/configmap.yaml", "HOOKSWITCH_OPERATIONS_LISTEN", "HOOKSWITCH_DATABASE", "port operations is not the one"},
		{"an operators' Service of everything", operations, "templates/service.yaml", "component: operations", "component: node", "selects the Services ["},
		{"an admin key for nothing", operations, "templates/servicemonitor.yaml", "port: operations\n", "port: operations\n      authorization: {credentials: {name: some, key: thing}}\n", "asks for a key, but"},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := valueSet{values: c.values + "\nserviceMonitor: {enabled: true}", secrets: database()}
			set.secrets["hooks-tls"] = []string{"tls.crt", "tls.key", "ca.crt"}
			r, err := install(faulty(t, chartFolder, c.file, c.old, c.replacement), set)
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
