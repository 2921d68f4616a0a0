import { parseArgs } from "node:util";
import type { z } from "zod";
import { flagOf, variableOf } from "./config.ts";
import { asError, ProgramError } from "./errors.ts";
import { notesOf } from "./settings.ts";

export interface CommandLine {
  /** By the settings' keys. */
  flags: Record<string, unknown>;
  /** `--config FILE`. */
  file: string | undefined;
  printConfig: boolean;
}

/**
 * The command line of a program that is started by itself: a flag for every setting that is not a secret, `--config FILE` and
 * `--print-config`. A flag that is given twice makes a list. Throws `InvalidConfig`.
 */
export function parseFlags(schema: z.ZodObject<Record<string, z.ZodType>>, argv: string[]): CommandLine {
  const byFlag = new Map(Object.keys(schema.shape).map((key) => [flagOf(key).slice(2), key]));
  const options = Object.fromEntries(
    [...byFlag.keys()].map((flag) => [flag, { type: "string", multiple: true } as const]),
  );
  const { config, "print-config": print, ...given } = parsed(argv, options);

  const flags: Record<string, unknown> = {};
  for (const [flag, texts] of Object.entries(given)) {
    const key = byFlag.get(flag);
    if (key !== undefined && Array.isArray(texts)) flags[key] = texts.length === 1 ? texts[0] : texts;
  }
  return { flags, file: typeof config === "string" ? config : undefined, printConfig: print === true };
}

function parsed(argv: string[], options: Record<string, { type: "string"; multiple: true }>) {
  try {
    return parseArgs({
      args: argv,
      options: { ...options, config: { type: "string" }, "print-config": { type: "boolean" } },
      allowPositionals: false,
    }).values;
  } catch (error) {
    throw new ProgramError("InvalidConfig", asError(error).message.split("\n", 1)[0] ?? "wrong flags", {
      cause: error,
    });
  }
}

/**
 * The help text of a program that is started as `heauth NAME`: how to call it, each setting with what it is, an example and its
 * default, and where else settings may stand.
 */
export function describeProgram(name: string, about: string, schema: z.ZodObject<Record<string, z.ZodType>>): string {
  const settings = Object.entries(schema.shape).flatMap(([key, property]) => {
    const { holds, description, example } = notesOf(key, property);
    if (holds === "secret") return [];
    const call = `${flagOf(key)} ${example}`;
    return [{ call, isNeeded: isNeeded(property), text: `  ${call}\n      ${description}${defaultOf(property)}\n` }];
  });
  const needed = settings.filter((each) => each.isNeeded);
  const optional = settings.filter((each) => !each.isNeeded);
  const logLevel = `${flagOf("logLevel")}, ${variableOf("logLevel")}, or logLevel`;
  return `Usage: ${["heauth", name, ...needed.map(({ call }) => call), "[settings]"].join(" ")}

${about}

${section("Needed (the values are examples)", needed)}${section("Optional", optional)}Each setting can be a flag, a variable, or stand in a YAML file: ${logLevel}
in the file that --config FILE names. Flags win over variables, those over the file.
--print-config shows what that comes to, and where each value is from.
`;
}

function section(title: string, settings: { readonly text: string }[]): string {
  return settings.length === 0 ? "" : `${title}:\n${settings.map(({ text }) => text).join("")}\n`;
}

function isNeeded(property: z.ZodType): boolean {
  return !property.safeParse(undefined).success;
}

/** As it would be written; a list's is empty. */
function defaultOf(property: z.ZodType): string {
  const { defaultValue } = property.def as { defaultValue?: unknown };
  return defaultValue === undefined || Array.isArray(defaultValue) ? "" : ` Default: ${String(defaultValue)}.`;
}
