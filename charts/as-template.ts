const NAMESPACE = /\bnamespace: heauth-system\b/g;

/** A manifest as a template of the chart: in the release's namespace, and otherwise word for word. */
export function asTemplate(manifest: string, from: string): string {
  return `# Generated from manifests/${from}: npm run generate\n${literal(manifest).replaceAll(NAMESPACE, "namespace: {{ .Release.Namespace }}")}`;
}

/** A CRD as a template of the chart: helm upgrades it, and never deletes it. */
export function crdTemplate(crd: string): string {
  const kept = literal(crd).replace(
    /^metadata:\n/m,
    "metadata:\n  annotations:\n    # Deleting it would delete all resources of its kind.\n    helm.sh/resource-policy: keep\n",
  );
  return `{{- if .Values.crds.install }}\n${kept}{{- end }}\n`;
}

/** Helm takes nothing in it for a template's action. */
function literal(text: string): string {
  return text.replaceAll("{{", '{{ "{{" }}');
}
