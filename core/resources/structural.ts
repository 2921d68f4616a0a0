import * as z from "zod";

/** A JSON schema as Kubernetes takes it: structural, OpenAPI 3.0. */
export interface StructuralSchema {
  readonly type: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly additionalProperties?: StructuralSchema;
  readonly items?: StructuralSchema;
  readonly required?: readonly string[];
  readonly "x-kubernetes-validations"?: readonly { readonly rule: string; readonly message: string }[];
}

type Json = Record<string, unknown>;

/** What Kubernetes says of these itself. Of the metadata it lets a schema restrict the name only. */
const typeMeta = (name: unknown) => ({
  apiVersion: { type: "string", description: "The version of the schema." },
  kind: { type: "string", description: "The kind of the resource." },
  metadata: { type: "object", properties: { name } },
});

/** Turns a kind's zod schema into a structural schema. */
export function structural(schema: z.ZodType): StructuralSchema {
  const json = z.toJSONSchema(schema, { target: "openapi-3.0", io: "input", unrepresentable: "any" }) as Json;
  const converted = convert(json) as Json;
  const properties = converted["properties"] as Readonly<Record<string, StructuralSchema>>;
  return {
    ...converted,
    properties: { ...properties, ...typeMeta(properties["metadata"]?.properties?.["name"]) },
  } as unknown as StructuralSchema;
}

function convert(schema: Json): Json {
  const { $schema: _, additionalProperties, propertyNames: __, properties, items, required, ...kept } = schema;
  const converted: Json = { ...kept };
  if (typeof additionalProperties === "object" && additionalProperties !== null) {
    converted["additionalProperties"] = convert(additionalProperties as Json);
  }
  if (properties !== undefined) {
    converted["properties"] = Object.fromEntries(
      Object.entries(properties as Json).map(([name, property]) => [name, convert(property as Json)]),
    );
  }
  if (items !== undefined) converted["items"] = convert(items as Json);
  // An entry with a default is never missing.
  if (Array.isArray(required) && required.length > 0) converted["required"] = required;
  if (converted["type"] === "integer") boundInteger(converted);
  if (converted["type"] === "object" && converted["default"] !== undefined) {
    converted["default"] = filledIn(converted["default"] as Json, converted["properties"] as Json | undefined);
  }
  // The API server knows this format itself.
  if (converted["format"] === "date-time") delete converted["pattern"];
  return converted;
}

/** The API server holds an object's default to the rules as it stands, before the defaults of its fields are filled in. */
function filledIn(fallback: Json, properties: Json = {}): Json {
  const defaults = Object.entries(properties).flatMap(([name, property]) => {
    const own = (property as Json)["default"];
    return own === undefined ? [] : [[name, own] as const];
  });
  return { ...Object.fromEntries(defaults), ...fallback };
}

/** zod bounds every integer to what JavaScript can hold; Kubernetes says so by the format. */
function boundInteger(schema: Json): void {
  if (schema["minimum"] === Number.MIN_SAFE_INTEGER) delete schema["minimum"];
  if (schema["maximum"] === Number.MAX_SAFE_INTEGER) delete schema["maximum"];
  schema["format"] = typeof schema["maximum"] === "number" && schema["maximum"] < 2 ** 31 ? "int32" : "int64";
}
