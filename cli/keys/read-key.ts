import type { KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type ProgramKey, parseProgramKeyFile, parseServerSecretsFile, type ServerSecrets } from "@heauth/core/keys";
import { type KeyProgram, type PinnedKeys, parsePinnedKeys } from "@heauth/core/ledger";
import { CliError } from "../errors.ts";
import { parseKeyFile } from "./parse-key-file.ts";

/** A program's own key. @throws CliError KeyFile, naming the file */
export function readProgramKey<P extends KeyProgram>(file: string, program: P): Promise<ProgramKey> {
  return read(file, (text) => parseProgramKeyFile(text, program));
}

/** The keys that are pinned, of every program. @throws CliError KeyFile, naming the file */
export function readLedgerKeys(file: string): Promise<PinnedKeys> {
  return read(file, parsePinnedKeys);
}

/** The halves of session keys that are not in the database. @throws CliError KeyFile, naming the file */
export function readServerSecrets(file: string): Promise<ServerSecrets> {
  return read(file, parseServerSecretsFile);
}

/**
 * A program's own key, and those that are pinned: its own must be among them, else nobody would believe what it signs.
 * @throws CliError KeyFile, naming the file
 */
export async function readPinnedProgramKey(
  files: { readonly programKey: string; readonly ledgerKeys: string },
  program: KeyProgram,
): Promise<{ own: ProgramKey; pinned: PinnedKeys }> {
  const own = await readProgramKey(files.programKey, program);
  const pinned = await readLedgerKeys(files.ledgerKeys);
  if (pinned.has(own.id)) return { own, pinned };
  throw new CliError("KeyFile", `${files.ledgerKeys} does not have the key of ${files.programKey}, ${own.id}`);
}

/** Every key that a program has or once had: id → public key. */
export function publicKeysOf(program: KeyProgram, pinned: PinnedKeys): Map<string, KeyObject> {
  return new Map([...pinned].flatMap(([id, { program: whose, key }]) => (whose === program ? [[id, key]] : [])));
}

async function read<T>(file: string, parse: (text: string) => T): Promise<T> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new CliError("KeyFile", `${file} can't be read (${error.code})`);
  });
  return parseKeyFile(file, text, parse);
}
