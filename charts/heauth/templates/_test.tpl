{{/* The test's namespace, Tenant and audience. heauth's own namespace gets no sidecars. */}}
{{- define "heauth.testName" -}}
{{ .Release.Namespace }}-test
{{- end }}

{{/* Of what the test brings along: (list weight). It goes when the test has ended. */}}
{{- define "heauth.testHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ index . 0 | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
