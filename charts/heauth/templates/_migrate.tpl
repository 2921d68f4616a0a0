{{/* The pod of the migration. */}}
{{- define "heauth.migration" -}}
metadata:
  labels:
    {{- include "heauth.selector" (list . "migrate") | nindent 4 }}
spec:
  restartPolicy: OnFailure
  automountServiceAccountToken: false
  securityContext:
    {{- include "heauth.podSecurity" . | nindent 4 }}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
  {{- end }}
  containers:
  - name: migrate
    image: {{ include "heauth.image" . | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args: [migrate]
    env:
    {{- include "heauth.databaseEnv" . | nindent 4 }}
    securityContext:
      {{- include "heauth.containerSecurity" . | nindent 6 }}
    resources:
      {{- toYaml .Values.migrate.resources | nindent 6 }}
    volumeMounts:
    - {name: database, mountPath: /etc/heauth/database, readOnly: true}
  volumes:
  {{- include "heauth.databaseVolume" (list . .Values.database.ownerSecret) | nindent 2 }}
{{- end }}
