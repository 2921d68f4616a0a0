{{/* Of a pod, by the Pod Security level `restricted`. The number is the image's user. */}}
{{- define "heauth.podSecurity" -}}
runAsNonRoot: true
runAsUser: 43288
runAsGroup: 43288
fsGroup: 43288
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "heauth.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* A program's pods, of its Deployment: (list $ "hub" .Values.hub). */}}
{{- define "heauth.podMeta" -}}
labels:
  {{- include "heauth.selector" . | nindent 2 }}
  app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
annotations:
  kubectl.kubernetes.io/default-container: {{ index . 1 }}
  {{- with (index . 2).podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Where pods run, and as whom: (list $ "hub" .Values.hub). */}}
{{- define "heauth.podPlace" -}}
{{- $root := index . 0 }}
{{- $program := index . 2 -}}
securityContext:
  {{- include "heauth.podSecurity" $root | nindent 2 }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
topologySpreadConstraints:
{{- range (list "kubernetes.io/hostname" "topology.kubernetes.io/zone") }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "heauth.selector" $ | nindent 6 }}
{{- end }}
{{- with $program.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $program.tolerations }}
tolerations:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with $program.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $program.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* What every program's container has: (list $ "hub" .Values.hub). It starts before its database is there, and is ready after. */}}
{{- define "heauth.containerBase" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
image: {{ include "heauth.image" $root | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
securityContext:
  {{- include "heauth.containerSecurity" $root | nindent 2 }}
resources:
  {{- toYaml (index . 2).resources | nindent 2 }}
startupProbe:
  httpGet: {path: /healthz, port: probes}
  periodSeconds: 2
  failureThreshold: 30
livenessProbe:
  httpGet: {path: /healthz, port: probes}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: probes}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- end }}

{{/* Flags that every program has. */}}
{{- define "heauth.commonFlags" -}}
- --log-level={{ .Values.logLevel }}
- --probes={{ .Values.listenHost }}:9464
{{- end }}

{{/* A file, not a variable: the URL holds a password. */}}
{{- define "heauth.databaseEnv" -}}
- {name: HEAUTH_DATABASE_FILE, value: /etc/heauth/database/url}
{{- end }}

{{/* (list $ "the Secret's name") */}}
{{- define "heauth.databaseVolume" -}}
- name: database
  secret:
    secretName: {{ index . 1 }}
    defaultMode: 0440
    items:
    - {key: {{ (index . 0).Values.database.key }}, path: url}
{{- end }}

{{/* (list "volume" "Secret") */}}
{{- define "heauth.secretVolume" -}}
- name: {{ index . 0 }}
  secret: {secretName: {{ index . 1 }}, defaultMode: 0440}
{{- end }}

{{- define "heauth.ledgerKeysVolume" -}}
- name: ledger-keys
  configMap: {name: {{ .Values.keys.ledgerConfigMap }}}
{{- end }}
