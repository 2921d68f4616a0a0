import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { kinds } from "./crd.ts";
import { generatedFiles } from "./generated.ts";
import { type StructuralSchema, structural } from "./structural.ts";

const root = join(import.meta.dirname, "../..");

test.each(generatedFiles())("$path is what the schemas say", ({ path, content }) => {
  expect(readFileSync(join(root, path), "utf8")).toBe(content);
});

interface Node {
  readonly path: string;
  readonly schema: StructuralSchema & Readonly<Record<string, unknown>>;
}

function nodes(schema: StructuralSchema, path: string): Node[] {
  const here: Node = { path, schema: schema as Node["schema"] };
  const below = Object.entries(schema.properties ?? {}).flatMap(([name, each]) => nodes(each, `${path}.${name}`));
  const items = schema.items === undefined ? [] : nodes(schema.items, `${path}[]`);
  const values = schema.additionalProperties === undefined ? [] : nodes(schema.additionalProperties, `${path}{}`);
  return [here, ...below, ...items, ...values];
}

const all = kinds.flatMap(({ kind, schema }) => nodes(structural(schema), kind));
const own = all.filter(({ path }) => !/^\w+(\.(apiVersion|kind|metadata))?$/.test(path));

test("every part has one type, and no union", () => {
  for (const { path, schema } of all) {
    expect([path, typeof schema.type]).toEqual([path, "string"]);
    for (const word of ["anyOf", "oneOf", "allOf", "not", "const", "$ref", "$schema", "propertyNames"]) {
      expect([path, word, word in schema]).toEqual([path, word, false]);
    }
    expect([path, schema.additionalProperties as unknown]).not.toEqual([path, false]);
  }
});

test("every field is described", () => {
  const fields = own.filter(({ path }) => !path.endsWith("]") && !path.endsWith("}"));
  expect(fields.filter(({ schema }) => !schema.description).map(({ path }) => path)).toEqual([]);
});

test("every string, list and map is bounded", () => {
  const unbounded = own.filter(({ schema }) => {
    if (schema.type === "string") return !("maxLength" in schema) && !("enum" in schema);
    if (schema.type === "array") return !("maxItems" in schema);
    return "additionalProperties" in schema && !("maxProperties" in schema);
  });
  expect(unbounded.map(({ path }) => path)).toEqual([]);
});

test("every list says how it merges", () => {
  const lists = own.filter(({ schema }) => schema.type === "array");
  expect(lists.filter(({ schema }) => !("x-kubernetes-list-type" in schema)).map(({ path }) => path)).toEqual([]);
  for (const { path, schema } of lists) {
    if (schema["x-kubernetes-list-type"] !== "map") continue;
    for (const key of schema["x-kubernetes-list-map-keys"] as string[]) {
      expect([path, schema.items?.required?.includes(key)]).toEqual([path, true]);
    }
  }
});

test("a rule blames a field that there is", () => {
  for (const { path, schema } of all) {
    for (const rule of (schema["x-kubernetes-validations"] ?? []) as readonly { fieldPath?: string }[]) {
      const blamed = `${path}${rule.fieldPath ?? ""}`;
      expect(all.some((each) => each.path === blamed) ? blamed : `no ${blamed}`).toBe(blamed);
    }
  }
});

test("names, columns and the status subresource", () => {
  const tenants = generatedFiles().find(({ path }) => path === "crds/heauth.io_tenants.yaml")?.content ?? "";
  for (const line of ["shortNames:\n      - ten", "categories:\n      - heauth", "status: {}", "name: Sealed"]) {
    expect(tenants).toContain(line);
  }
});
