import { readFile } from "node:fs/promises";
import { type ProgramKey, parseProgramKeyFile } from "@heauth/core/keys";
import { type KeyProgram, type PinnedKeys, parsePinnedKeys } from "@heauth/core/ledger";
import { asError } from "@heauth/program";
import { CliError } from "../errors.ts";

/** A program's own key. @throws CliError KeyFile, naming the file */
export function readProgramKey<P extends KeyProgram>(file: string, program: P): Promise<ProgramKey> {
  return read(file, (text) => parseProgramKeyFile(text, program));
}

/** The keys that are pinned, of every program. @throws CliError KeyFile, naming the file */
export function readLedgerKeys(file: string): Promise<PinnedKeys> {
  return read(file, parsePinnedKeys);
}

async function read<T>(file: string, parse: (text: string) => T): Promise<T> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new CliError("KeyFile", `${file} can't be read (${error.code})`);
  });
  try {
    return parse(text);
  } catch (error) {
    throw new CliError("KeyFile", `${file}: ${asError(error).message}`);
  }
}
