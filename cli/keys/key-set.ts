import {
  newProgramKeyFile,
  newServerSecretsFile,
  parseProgramKeyFile,
  parseServerSecretsFile,
} from "@heauth/core/keys";
import {
  formatPinnedKeys,
  type KeyProgram,
  type PinnedKeys,
  parsePinnedKeys,
  pinnedKey,
  pinnedKeys,
} from "@heauth/core/ledger";
import { CliError } from "../errors.ts";
import { keyFileOf, SERVER_SECRETS } from "./open-keys.ts";
import { parseKeyFile } from "./parse-key-file.ts";

export const LEDGER_KEYS = "ledger-keys.json";

const PROGRAMS: readonly KeyProgram[] = ["identity", "hub", "operator", "cli"];

/** The files that belong together, each with its text: every program's key, the server secrets, and the public halves. */
export type KeySet = ReadonlyMap<string, string>;

/** Keys that nobody has yet. */
export function newKeySet(): KeySet {
  const keys = PROGRAMS.map((program) => [keyFileOf(program), newProgramKeyFile(program)] as const);
  const pinned = PROGRAMS.map((program, at) =>
    pinnedKey(program, parseProgramKeyFile(keys[at]?.[1] ?? "", program).publicKey),
  );
  return new Map([
    ...keys,
    [SERVER_SECRETS, newServerSecretsFile()],
    [LEDGER_KEYS, formatPinnedKeys(pinnedKeys(pinned))],
  ]);
}

/**
 * Checks that the files can be read, and that each program's key is among those that are pinned.
 * @param placeOf says where a file is, for messages
 * @throws CliError KeyFile, naming the file
 */
export function checkKeySet(files: KeySet, placeOf: (file: string) => string): PinnedKeys {
  const read = <T>(file: string, parse: (text: string) => T) =>
    parseKeyFile(placeOf(file), files.get(file) ?? "", parse);
  read(SERVER_SECRETS, parseServerSecretsFile);
  const pinned = read(LEDGER_KEYS, parsePinnedKeys);
  for (const program of PROGRAMS) {
    const { id } = read(keyFileOf(program), (text) => parseProgramKeyFile(text, program));
    if (pinned.has(id)) continue;
    throw new CliError(
      "KeyFile",
      `${placeOf(LEDGER_KEYS)} does not have the key of ${placeOf(keyFileOf(program))}, ${id}`,
    );
  }
  return pinned;
}
