import type { z } from "zod";
import type { Config } from "./config.ts";
import { MASK, withoutUrlPassword } from "./redact.ts";
import { notesOf } from "./settings.ts";

/**
 * The effective configuration as YAML, one setting a line with where it came from, for `--print-config`. Secrets and the
 * passwords in URLs are masked.
 */
export function printConfig<T>(schema: z.ZodObject<Record<string, z.ZodType>>, config: Config<T>): string {
  const values = config.values as Record<string, unknown>;
  const lines = Object.entries(schema.shape).map(([key, property]) => {
    const shown = masked(values[key], notesOf(key, property).holds);
    return `${key}: ${JSON.stringify(shown) ?? "null"} # ${config.sources[key]}`;
  });
  return `${lines.join("\n")}\n`;
}

function masked(value: unknown, holds: "secret" | "url" | undefined): unknown {
  if (value === undefined || holds === undefined) return value;
  if (holds === "secret") return MASK;
  return typeof value === "string" ? withoutUrlPassword(value) : MASK;
}
