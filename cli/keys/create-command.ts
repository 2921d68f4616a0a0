import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Command } from "@commander-js/extra-typings";
import { CliError } from "../errors.ts";
import { keyFileOf, openKeys, SERVER_SECRETS } from "./open-keys.ts";

const LEDGER_KEYS = "ledger-keys.json";

/** Each file, and who is to have it. */
const FILES: Readonly<Record<string, string>> = {
  [keyFileOf("identity")]: "identity alone: signs sessions",
  [SERVER_SECRETS]: "identity alone: refresh tokens and passwords are worth nothing without it",
  [keyFileOf("hub")]: "hub alone: vouches for sidecars' journals",
  [keyFileOf("operator")]: "operator alone: seals the ledger",
  [keyFileOf("cli")]: "you: signs what you do with `heauth superuser` and `heauth ledger recover`",
  [LEDGER_KEYS]: "everybody, it is public: identity, operator, sidecars, and who runs `heauth ledger verify`",
};

/** `heauth keys` */
export function keysCommand() {
  return new Command("keys").description("the programs' own keys").addCommand(createCommand());
}

function createCommand() {
  return new Command("create")
    .description("make the key of every program, each in a file of its own, and the file of their public halves")
    .argument("<dir>", "a folder without keys; made when it is not there")
    .option("--json", "print the result as JSON")
    .action(async (dir, { json }) => {
      const folder = resolve(dir);
      await refuseKeys(folder);
      const { pinned } = await openKeys({ keys: folder, ledgerKeys: join(folder, LEDGER_KEYS) });
      if (json) console.log(JSON.stringify({ folder, files: Object.keys(FILES), keys: [...pinned.keys()] }));
      else console.log([`made keys in ${folder}; who gets which file:`, ...table()].join("\n"));
    });
}

/** What was signed with a key that is written over could never be verified again. */
async function refuseKeys(folder: string): Promise<void> {
  const there = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new CliError("KeyFile", `${folder} can't be read (${error.code})`);
  });
  const found = there.find((name) => Object.hasOwn(FILES, name));
  if (found !== undefined) throw new CliError("KeyFile", `${folder} has ${found} already: keys are never written over`);
}

function table(): string[] {
  const width = Math.max(...Object.keys(FILES).map(({ length }) => length));
  return Object.entries(FILES).map(([file, whose]) => `  ${file.padEnd(width)}  ${whose}`);
}
