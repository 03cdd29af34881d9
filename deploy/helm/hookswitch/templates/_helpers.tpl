{{/* The chart's name, as labels have it. */}}
{{- define "hookswitch.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The full name, short enough for "-postgresql-0" to follow. */}}
{{- define "hookswitch.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := include "hookswitch.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "hookswitch.postgresql.fullname" -}}
{{- printf "%s-postgresql" (include "hookswitch.fullname" .) }}
{{- end }}

{{/* Labels of every object. */}}
{{- define "hookswitch.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "hookswitch.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: hookswitch
{{- end }}

{{/* What selects the nodes. A Deployment's selector never changes, so neither may this. */}}
{{- define "hookswitch.selector" -}}
app.kubernetes.io/name: {{ include "hookswitch.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: node
{{- end }}

{{- define "hookswitch.postgresql.selector" -}}
app.kubernetes.io/name: {{ include "hookswitch.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: postgresql
{{- end }}

{{- define "hookswitch.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "hookswitch.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "hookswitch.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* The base of every selfUri: what is configured, or else what the ingress or the Service make of it. */}}
{{- define "hookswitch.publicUrl" -}}
{{- if .Values.config.publicUrl }}
{{- .Values.config.publicUrl }}
{{- else if .Values.ingress.enabled }}
{{- printf "%s://%s" (ternary "https" "http" (gt (len .Values.ingress.tls) 0)) (first .Values.ingress.hosts) }}
{{- else }}
{{- include "hookswitch.serviceUrl" . }}
{{- end }}
{{- end }}

{{/* How the nodes are reached from within the cluster; the host is a name that a certificate of theirs has to hold. */}}
{{- define "hookswitch.serviceHost" -}}
{{- printf "%s.%s.svc" (include "hookswitch.fullname" .) .Release.Namespace }}
{{- end }}

{{- define "hookswitch.serviceUrl" -}}
{{- $scheme := ternary "https" "http" (ne .Values.tls.existingSecret "") }}
{{- $usual := ternary 443 80 (eq $scheme "https") }}
{{- printf "%s://%s" $scheme (include "hookswitch.serviceHost" .) }}
{{- if ne (int .Values.service.port) $usual }}{{ printf ":%d" (int .Values.service.port) }}{{ end }}
{{- end }}

{{/* Where a probe asks: at the operators' port, which callers cannot fill, where there is one. */}}
{{- define "hookswitch.probe.port" -}}
{{- if .Values.operations.enabled -}}
port: operations
{{- else -}}
port: http
{{- if .Values.tls.existingSecret }}
scheme: HTTPS
{{- end }}
{{- end }}
{{- end }}

{{/* The Secrets that the nodes read. */}}
{{- define "hookswitch.adminKey.secretName" -}}
{{- default (include "hookswitch.fullname" .) .Values.adminKey.existingSecret }}
{{- end }}

{{- define "hookswitch.masterKeyset.secretName" -}}
{{- default (printf "%s-keyset" (include "hookswitch.fullname" .)) .Values.masterKeyset.existingSecret }}
{{- end }}

{{- define "hookswitch.database.secretName" -}}
{{- if .Values.postgresql.enabled }}
{{- include "hookswitch.postgresql.fullname" . }}
{{- else }}
{{- required "name a Secret with the URL of your PostgreSQL in database.existingSecret, or set postgresql.enabled for one to try out" .Values.database.existingSecret }}
{{- end }}
{{- end }}

{{- define "hookswitch.database.secretKey" -}}
{{- ternary "url" .Values.database.secretKey .Values.postgresql.enabled }}
{{- end }}

{{/* The admin key as a file of whoever needs it. */}}
{{- define "hookswitch.adminKey.source" -}}
- secret:
    name: {{ include "hookswitch.adminKey.secretName" . }}
    items:
      - key: {{ .Values.adminKey.secretKey }}
        path: admin-key
{{- end }}

{{/* What no container of ours may do. */}}
{{- define "hookswitch.container.securityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
{{- end }}

{{- define "hookswitch.pod.securityContext" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}
