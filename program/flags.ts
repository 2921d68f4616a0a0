import { parseArgs } from "node:util";
import type { z } from "zod";
import { flagOf } from "./config.ts";
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

/** One line for each setting: its flag, what it is, an example. */
export function describeFlags(schema: z.ZodObject<Record<string, z.ZodType>>): string {
  const lines = Object.entries(schema.shape).flatMap(([key, property]) => {
    const { description, example, holds } = notesOf(key, property);
    return holds === "secret" ? [] : [`  ${flagOf(key)} ${example}\n      ${description}`];
  });
  return `${lines.join("\n")}\n`;
}
