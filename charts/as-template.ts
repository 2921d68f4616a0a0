/** heauth's own namespace in `manifests/`; comments go on speaking of it. */
const NAMESPACE = "heauth-system";
const COMMENT = /^\s*#/;

/** A manifest as a template of the chart: in the release's namespace, and otherwise word for word. */
export function asTemplate(manifest: string, from: string): string {
  const lines = literal(manifest).split("\n");
  const placed = lines.map((line) =>
    COMMENT.test(line) ? line : line.replaceAll(NAMESPACE, "{{ .Release.Namespace }}"),
  );
  return `# Generated from manifests/${from}: npm run generate\n${placed.join("\n")}`;
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
