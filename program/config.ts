import { readFileSync } from "node:fs";
import { parse as parseYaml } from "yaml";
import type { z } from "zod";
import { asError, ProgramError } from "./errors.ts";
import { notesOf } from "./settings.ts";
import { isList, typedFromText } from "./text-values.ts";

export type Source = "flag" | "environment" | "file" | "default";

export interface Config<T> {
  readonly values: T;
  /** Where each value came from. */
  readonly sources: Record<string, Source>;
}

export interface ConfigSources {
  /** By key, as the command line parser gives them; undefined means not given. */
  flags?: Record<string, unknown>;
  /** `process.env` unless given. */
  environment?: Record<string, string | undefined>;
  /** Path of a YAML or JSON file. */
  file?: string | undefined;
}

type SettingsSchema = z.ZodObject<Record<string, z.ZodType>>;

/** `hubSocket` → `--hub-socket`. */
export function flagOf(key: string): string {
  return `--${kebab(key)}`;
}

/** `hubSocket` → `HEAUTH_HUB_SOCKET`. */
export function variableOf(key: string): string {
  return `HEAUTH_${kebab(key).replaceAll("-", "_").toUpperCase()}`;
}

function kebab(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/**
 * A program's configuration: flags win over the environment, that over the file, that over the schema's defaults. The schema is
 * a flat object whose properties are made with `setting()`. A secret may also stand in a file of its own that
 * `HEAUTH_<KEY>_FILE` names.
 *
 * Throws `InvalidConfig` with one line that names the key, its problem and an example; never the value.
 */
export function readConfig<S extends SettingsSchema>(schema: S, sources: ConfigSources): Config<z.infer<S>> {
  const { flags = {}, environment = process.env, file } = sources;
  const fromFile = file === undefined ? {} : readConfigFile(file);
  const given: Record<string, unknown> = {};
  const origin: Record<string, Source> = {};

  for (const [key, property] of Object.entries(schema.shape)) {
    const notes = notesOf(key, property);
    const fromFlag = flags[key];
    if (fromFlag !== undefined && notes.holds === "secret") {
      throw invalid(key, `cannot be a flag, others could see it; use ${variableOf(key)} or ${variableOf(key)}_FILE`);
    }
    if (Array.isArray(fromFlag) && !isList(property)) throw invalid(key, `is given twice (${flagOf(key)})`);
    const fromEnvironment = environment[variableOf(key)] ?? secretFromFile(key, notes.holds, environment);
    if (fromFlag !== undefined) {
      given[key] = typedFromText(property, fromFlag, "flag");
      origin[key] = "flag";
    } else if (fromEnvironment !== undefined) {
      given[key] = typedFromText(property, fromEnvironment, "environment");
      origin[key] = "environment";
    } else if (Object.hasOwn(fromFile, key)) {
      given[key] = fromFile[key];
      origin[key] = "file";
    } else {
      origin[key] = "default";
    }
  }
  for (const key of Object.keys(fromFile)) {
    if (!Object.hasOwn(schema.shape, key))
      throw new ProgramError("InvalidConfig", `${key} in ${file}: no such setting`);
  }

  const result = schema.safeParse(given);
  if (result.success) return { values: result.data, sources: origin };
  throw explain(schema, result.error, origin);
}

function readConfigFile(path: string): Record<string, unknown> {
  let content: unknown;
  try {
    content = parseYaml(readFileSync(path, "utf8"));
  } catch (error) {
    const reason = asError(error).message.split("\n", 1)[0];
    throw new ProgramError("InvalidConfig", `configuration file ${path}: ${reason}`, { cause: error });
  }
  if (content === null) return {};
  if (typeof content !== "object" || Array.isArray(content)) {
    throw new ProgramError(
      "InvalidConfig",
      `configuration file ${path}: must be a map of settings, such as "logLevel: info"`,
    );
  }
  return content as Record<string, unknown>;
}

function secretFromFile(
  key: string,
  holds: string | undefined,
  environment: Record<string, string | undefined>,
): string | undefined {
  const variable = `${variableOf(key)}_FILE`;
  const path = holds === undefined ? undefined : environment[variable];
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    throw new ProgramError("InvalidConfig", `${variable}: ${asError(error).message}`, { cause: error });
  }
}

function explain(schema: SettingsSchema, error: z.ZodError, origin: Record<string, Source>): ProgramError {
  const [issue] = error.issues;
  const key = String(issue?.path[0] ?? "");
  const property = schema.shape[key];
  if (issue === undefined || property === undefined)
    return invalid(key || "configuration", issue?.message ?? "is wrong");
  const missing = origin[key] === "default";
  const place = issue.path.length > 1 ? `entry ${issue.path.slice(1).join(".")}: ` : "";
  const { example } = notesOf(key, property);
  const ways = `${flagOf(key)}, ${variableOf(key)}`;
  const found = missing ? "is missing" : `${place}${issue.message} (from the ${origin[key]})`;
  return invalid(key, `${found}; for example ${example} (${ways})`);
}

function invalid(key: string, reason: string): ProgramError {
  return new ProgramError("InvalidConfig", `${key} ${reason}`.replaceAll("\n", " "));
}
