{{/* Names are fixed: resource types, webhooks and cluster roles are the cluster's, so there is one heauth in a cluster. */}}

{{- define "heauth.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What pods are selected by: (list $ "hub"). */}}
{{- define "heauth.selector" -}}
app.kubernetes.io/name: heauth
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of an object: (list $ "hub"). */}}
{{- define "heauth.labels" -}}
{{ include "heauth.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/part-of: heauth
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ (index . 0).Chart.Name }}-{{ (index . 0).Chart.Version }}
{{- end }}

{{- define "heauth.identityUrl" -}}
{{ ternary "https" "http" (ne .Values.identity.tls.secret "") }}://heauth-identity.{{ .Release.Namespace }}.svc
{{- end }}

{{- define "heauth.issuer" -}}
{{ .Values.issuer | default (include "heauth.identityUrl" .) }}
{{- end }}

{{/* A ServiceMonitor can be kept: it is asked for, and the Prometheus operator is there. */}}
{{- define "heauth.monitored" -}}
{{- if and .Values.prometheus.serviceMonitor.enabled (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1/ServiceMonitor") }}yes{{ end }}
{{- end }}
