import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  newProgramKeyFile,
  newServerSecretsFile,
  type ProgramKey,
  parseProgramKeyFile,
  parseServerSecretsFile,
  type ServerSecrets,
} from "@heauth/core/keys";
import {
  formatPinnedKeys,
  type KeyProgram,
  type PinnedKeys,
  parsePinnedKeys,
  pinnedKey,
  pinnedKeys,
} from "@heauth/core/ledger";
import { writeDurably } from "../durable-file.ts";
import { parseKeyFile } from "./parse-key-file.ts";

/** Where the keys are kept. */
export interface KeyFolder {
  /** The folder of the private ones. */
  readonly keys: string;
  /** The file of the public halves. */
  readonly ledgerKeys: string;
}

export const SERVER_SECRETS = "server-secrets.json";

/** The file of a program's key in the folder. */
export function keyFileOf(program: KeyProgram): string {
  return `${program}.json`;
}

export interface Keys {
  readonly programs: Readonly<Record<KeyProgram, ProgramKey>>;
  readonly serverSecrets: ServerSecrets;
  /** Those in force and those that once were: what `ledger-keys.json` holds. */
  readonly pinned: PinnedKeys;
}

/**
 * Reads the keys, makes those that are not there yet, and writes the public halves to `ledger-keys.json`.
 * @throws CliError KeyFile, naming the file
 */
export async function openKeys(folder: KeyFolder): Promise<Keys> {
  const read = <T>(name: string, make: () => string, parse: (text: string) => T) =>
    readOrMake(join(folder.keys, name), make, parse);
  const program = (name: KeyProgram) =>
    read(
      keyFileOf(name),
      () => newProgramKeyFile(name),
      (text) => parseProgramKeyFile(text, name),
    );
  const programs = {
    identity: await program("identity"),
    hub: await program("hub"),
    operator: await program("operator"),
    cli: await program("cli"),
  };
  const serverSecrets = await read(SERVER_SECRETS, newServerSecretsFile, parseServerSecretsFile);
  const pinned = await pin(folder.ledgerKeys, Object.values(programs));
  return { programs, serverSecrets, pinned };
}

/** Keys that were pinned before stay: what they signed must verify for as long as it is kept. */
async function pin(file: string, keys: readonly ProgramKey[]): Promise<PinnedKeys> {
  const present = keys.map((key) => pinnedKey(key.program, key.publicKey));
  const text = await readIfThere(file);
  const before = text === undefined ? [] : parseKeyFile(file, text, parsePinnedKeys).values();
  const pinned = pinnedKeys([...before, ...present]);
  const now = formatPinnedKeys(pinned);
  if (now !== text) await writeDurably(file, now, 0o644);
  return pinned;
}

async function readIfThere(file: string): Promise<string | undefined> {
  return readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    return undefined;
  });
}

async function readOrMake<T>(file: string, make: () => string, parse: (text: string) => T): Promise<T> {
  const text = await readIfThere(file);
  if (text !== undefined) return parseKeyFile(file, text, parse);
  const made = make();
  await writeDurably(file, made, 0o600);
  return parse(made);
}
