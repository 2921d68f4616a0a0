import { conditionFunctions, conditionLimits, conditionVariables } from "../policy/condition-environment.ts";
import { kinds } from "./crd.ts";
import { authPolicyNotBuilt, authPolicyOnlyInPods, type NotBuilt, tenantNotBuilt } from "./not-built.ts";
import { type StructuralSchema, structural } from "./structural.ts";

/** The field reference, in Markdown. */
export function resourceReference(): string {
  const parts = [
    "# Resources: `Tenant` and `AuthPolicy`",
    "Generated from the schemas in `core/resources`; change them there and run `npm run generate`.\n\n" +
      "Group `heauth.io`, version `v1alpha1`. Durations are written as in Gateway API (GEP-2257): `10s`, `1h30m`, `500ms`. " +
      "An unknown field is an error.",
    ...kinds.map(({ kind, schema, description, scope, shortName }) => {
      const { spec, status } = structural(schema).properties ?? {};
      return [
        `## ${kind}`,
        `${description} ${scope === "Cluster" ? "Cluster-scoped" : "Namespaced"}, short name \`${shortName}\`.`,
        fieldTable(spec, "spec"),
        ruleList(structural(schema)),
        `### ${kind} status`,
        fieldTable(status, "status"),
      ].join("\n\n");
    }),
    "## Conditions",
    conditions(),
    "## Not built yet",
    "The schema knows these, this version refuses them with `NotSupported`.",
    notBuiltTable({ Tenant: tenantNotBuilt, AuthPolicy: authPolicyNotBuilt }),
    "## Only in Kubernetes",
    "`heauth standalone` refuses these with `NotSupported`.",
    notBuiltTable({ AuthPolicy: authPolicyOnlyInPods }),
  ];
  return `${parts.join("\n\n")}\n`;
}

function fieldTable(schema: StructuralSchema | undefined, path: string): string {
  const rows = schema === undefined ? [] : fieldRows(schema, path);
  return ["| field | type | default | what |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

function fieldRows(schema: StructuralSchema, path: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const field = `${path}.${name}`;
    const fallback = property.properties === undefined ? property.default : undefined;
    const cells = [
      `\`${field}\``,
      typeOf(property),
      schema.required?.includes(name) ? "required" : fallback === undefined ? "" : `\`${JSON.stringify(fallback)}\``,
      property.description ?? "",
    ];
    const below = property.items?.properties === undefined ? property : property.items;
    return [`| ${cells.map(cell).join(" | ")} |`, ...fieldRows(below, below === property ? field : `${field}[]`)];
  });
}

function typeOf(schema: StructuralSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(", ");
  if (schema.type === "array") return `list of ${schema.items === undefined ? "values" : typeOf(schema.items)}`;
  if (schema.additionalProperties !== undefined) return `map to ${typeOf(schema.additionalProperties)}`;
  return schema.type;
}

function ruleList(schema: StructuralSchema): string {
  const rows = rulesOf(schema, "");
  return [
    "Rules across fields:",
    "",
    "| field | expected | CEL |",
    "| --- | --- | --- |",
    ...rows.map((row) => `| ${row.map(cell).join(" | ")} |`),
  ].join("\n");
}

function rulesOf(schema: StructuralSchema, path: string): string[][] {
  const own = (schema["x-kubernetes-validations"] ?? []).map((each) => {
    const { rule, message, fieldPath = "" } = each as { rule: string; message: string; fieldPath?: string };
    return [`\`${`${path}${fieldPath}`.replace(/^\./, "")}\``, message, `\`${rule}\``];
  });
  const below = Object.entries(schema.properties ?? {}).flatMap(([name, property]) => [
    ...rulesOf(property, `${path}.${name}`),
    ...(property.items === undefined ? [] : rulesOf(property.items, `${path}.${name}[]`)),
  ]);
  return [...own, ...below];
}

function conditions(): string {
  const variables = Object.entries(conditionVariables).flatMap(([name, fields]) =>
    Object.entries(fields).map(([field, type]) => `| \`${name}.${field}\` | \`${type}\` |`),
  );
  const functions = [...conditionFunctions].map((name) => `\`${name}\``).join(", ");
  return [
    "`when` is CEL that yields bool. It sees these, and nothing else:",
    ["| name | type |", "| --- | --- |", ...variables].join("\n"),
    `Functions: ${functions}. \`request.path\` is normalised, with percent-encodings resolved; \`request.query\` holds every value ` +
      `of every parameter. At most ${conditionLimits.characters} characters; an error, such as a parameter that is not there, denies.`,
  ].join("\n\n");
}

function notBuiltTable(refused: Readonly<Record<string, readonly Pick<NotBuilt<never>, "field" | "works">[]>>): string {
  const rows = Object.entries(refused).flatMap(([kind, those]) =>
    those.map(({ field, works }) => `| ${kind} | \`${field}\` | ${cell(works)} |`),
  );
  return ["| kind | field | what works |", "| --- | --- | --- |", ...rows].join("\n");
}

/** A bar would end the cell, also inside code. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
