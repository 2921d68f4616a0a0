import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { kinds } from "./crd.ts";
import type { Rule } from "./rule.ts";
import { type StructuralSchema, structural } from "./structural.ts";
import { authPolicy, type InvalidResource, invalidResources, tenant } from "./testing/index.ts";

describeKube("the API server itself", () => {
  let server: ApiServer;

  beforeAll(async () => {
    server = await startApiServer();
    await server.kubectl(["create", "namespace", authPolicy.metadata.namespace]);
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => server?.stop());

  const create = async (resource: object) =>
    await server.kubectl(["create", "--dry-run=server", "--validate=strict", "-f", "-"], JSON.stringify(resource));

  test.each([tenant, authPolicy])("takes the example of $kind", async (resource) => {
    expect(await create(resource)).toMatchObject({ code: 0, stderr: "" });
  });

  const { known = [], unknown = [] } = Object.groupBy(invalidResources, ({ webhookOnly }) =>
    webhookOnly ? "unknown" : "known",
  );

  test.each(known)("refuses: $name", async (invalid) => {
    const { stderr, code } = await create(invalid.resource);
    expect(code).toBe(1);
    expect(stderr).toContain(asKubernetesWrites(invalid));
    const field = invalid.field.replace(/\[\d+\]/g, "[]");
    const rule = rules.find((each) => each.field === field && each.message.includes(invalid.message));
    if (rule !== undefined) expect(stderr).toContain(rule.message);
  });

  test.each(unknown)("leaves to the webhook: $name", async ({ resource }) => {
    expect(await create(resource)).toMatchObject({ code: 0 });
  });
});

interface PlacedRule {
  /** `spec.rules[].roles` */
  readonly field: string;
  readonly message: string;
}

const rules = kinds.flatMap(({ schema }) => rulesOf(structural(schema), ""));

function rulesOf(schema: StructuralSchema, path: string): PlacedRule[] {
  const own = (schema["x-kubernetes-validations"] ?? []) as readonly Rule[];
  const placed = own.map(({ message, fieldPath = "" }) => ({ field: `${path}${fieldPath}`.slice(1), message }));
  const below = Object.entries(schema.properties ?? {}).flatMap(([name, each]) => rulesOf(each, `${path}.${name}`));
  return [...placed, ...below, ...(schema.items === undefined ? [] : rulesOf(schema.items, `${path}[]`))];
}

/** The same field in the API server's words, with what comes after it. */
function asKubernetesWrites({ code, field }: InvalidResource): string {
  if (code === "UnknownField") return `unknown field "${field}"`;
  if (code === "Duplicate") return `${field}[1]: Duplicate value`;
  return `${field.replace(/\["([^"]+)"\]$/, ".$1")}: `;
}
