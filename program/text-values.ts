import type { z } from "zod";

type Definition = { type: string; innerType?: z.ZodType; in?: z.ZodType };

/** Whether a setting is a list: its flag may be given more than once. */
export function isList(schema: z.ZodType): boolean {
  return writtenType(schema) === "array";
}

/** The type below defaults, options and transformations: what a value looks like as it is written. */
function writtenType(schema: z.ZodType): string {
  const definition = schema.def as unknown as Definition;
  const inner = definition.innerType ?? definition.in;
  return inner === undefined ? definition.type : writtenType(inner);
}

/**
 * A flag's or an environment variable's text as the type that the schema wants: numbers, booleans, and lists (a flag once for
 * each item; in a variable, items between spaces). What does not fit stays as it is, for the schema to refuse.
 */
export function typedFromText(schema: z.ZodType, value: unknown, from: "flag" | "environment"): unknown {
  const type = writtenType(schema);
  if (type === "array" && typeof value === "string")
    return from === "flag" ? [value] : value.split(/\s+/).filter(Boolean);
  if (type === "number" && typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value)) return Number(value);
  if (type === "boolean" && (value === "true" || value === "false")) return value === "true";
  return value;
}
