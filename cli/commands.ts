import type { CommandUnknownOpts } from "@commander-js/extra-typings";

/** What somebody does, and is done; each one is loaded when it is asked for, since some run in every pod. */
const commands: Readonly<Record<string, () => Promise<CommandUnknownOpts>>> = {
  migrate: async () => (await import("./migrate/command.ts")).migrateCommand(),
  keys: async () => (await import("./keys/create-command.ts")).keysCommand(),
  superuser: async () => (await import("./superuser/create.ts")).superuserCommand(),
  ledger: async () => (await import("./ledger/command.ts")).ledgerCommand(),
  redirect: async () => (await import("./redirect/command.ts")).redirectCommand(),
  drain: async () => (await import("./drain/command.ts")).drainCommand(),
};

/** The command of this name; all of them where there is none, to tell what there is. */
export function commandsFor(name: string | undefined): Promise<CommandUnknownOpts[]> {
  const known = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
  return Promise.all((known === undefined ? Object.values(commands) : [known]).map((load) => load()));
}
