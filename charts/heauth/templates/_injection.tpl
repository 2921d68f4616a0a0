{{/* What pods are injected with, as `heauth webhook --injection` reads it. */}}
{{- define "heauth.injection" -}}
{{- with .Values.injection -}}
images:
  heauth: {{ include "heauth.image" $ | quote }}
  envoy: {{ .envoyImage | quote }}
  pullPolicy: {{ $.Values.image.pullPolicy }}
ports: {envoy: {{ .ports.envoy }}, health: {{ .ports.health }}}
walQuota: {{ .walQuota }}
walClaims: {{ .walClaims }}
resources:
  {{- toYaml .resources | nindent 2 }}
{{- end }}
{{- end }}
