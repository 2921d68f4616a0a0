{{/* What pods of Jobs have in common: (list $ "migrate" .Values.migrate.resources). */}}
{{- define "heauth.jobPod" -}}
{{- $root := index . 0 -}}
restartPolicy: OnFailure
securityContext:
  {{- include "heauth.podSecurity" $root | nindent 2 }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "heauth.jobContainer" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
image: {{ include "heauth.image" $root | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
securityContext:
  {{- include "heauth.containerSecurity" $root | nindent 2 }}
resources:
  {{- toYaml (index . 2) | nindent 2 }}
{{- end }}

{{/* The pod of the migration. */}}
{{- define "heauth.migration" -}}
{{- $it := list . "migrate" .Values.migrate.resources -}}
metadata:
  labels:
    {{- include "heauth.selector" $it | nindent 4 }}
spec:
  {{- include "heauth.jobPod" $it | nindent 2 }}
  automountServiceAccountToken: false
  containers:
  - {{- include "heauth.jobContainer" $it | nindent 4 }}
    args: [migrate, --wait=10m]
    env:
    {{- include "heauth.databaseEnv" . | nindent 4 }}
    volumeMounts:
    - {name: database, mountPath: /etc/heauth/database, readOnly: true}
  volumes:
  {{- include "heauth.databaseVolume" (list . .Values.database.ownerSecret) | nindent 2 }}
{{- end }}

{{/* The pod that makes the programs' keys. */}}
{{- define "heauth.keyMaker" -}}
{{- $it := list . "keys" .Values.keys.resources -}}
metadata:
  labels:
    {{- include "heauth.selector" $it | nindent 4 }}
spec:
  {{- include "heauth.jobPod" $it | nindent 2 }}
  serviceAccountName: heauth-keys
  containers:
  - {{- include "heauth.jobContainer" $it | nindent 4 }}
    args:
    - keys
    - create
    - --kubernetes
    - --identity-secret={{ .Values.keys.identitySecret }}
    - --hub-secret={{ .Values.keys.hubSecret }}
    - --operator-secret={{ .Values.keys.operatorSecret }}
    - --cli-secret={{ .Values.keys.cliSecret }}
    - --ledger-config-map={{ .Values.keys.ledgerConfigMap }}
{{- end }}
