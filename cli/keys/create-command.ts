import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Command } from "@commander-js/extra-typings";
import { CliError } from "../errors.ts";
import { LEDGER_KEYS } from "./key-set.ts";
import { runCreateInCluster } from "./kubernetes/command.ts";
import { keyFileOf, openKeys, SERVER_SECRETS } from "./open-keys.ts";

/** Each file, and who is to have it. */
const FILES: Readonly<Record<string, string>> = {
  [keyFileOf("identity")]: "identity alone: signs sessions",
  [SERVER_SECRETS]: "identity alone: refresh tokens and passwords are worth nothing without it",
  [keyFileOf("hub")]: "hub alone: vouches for sidecars' journals",
  [keyFileOf("operator")]: "operator alone: seals the ledger",
  [keyFileOf("cli")]: "you: signs what you do with `heauth superuser` and `heauth ledger recover`",
  [LEDGER_KEYS]: "everybody, it is public: identity, operator, sidecars, and who runs `heauth ledger verify`",
};

const HELP = `
Which file is for whom:
${table().join("\n")}

With a folder: files, of which each program gets its own. A folder that has keys is refused.

With --kubernetes: a Secret for each program and a ConfigMap with the public halves, under the names that the Helm chart's values
\`keys.*\` have. It may be run again, and by two at once: there is never a second set. Where all keys are there it changes nothing; where
an earlier run was broken off it goes on; where some are missing it refuses and says which, because what was signed with a lost
key can't be gone on with under another. While it works, the Secret heauth-keys-new holds all of them. Secrets can't be changed afterwards,
and a key is replaced by deleting its Secret and making another one, after its public half was added to the ConfigMap.

Keep a copy of all files outside the machine or the cluster, as safe as the keys themselves. Without server-secrets.json nobody is logged
in any more; without ledger-keys.json nobody can verify what was written; and keys can't be made again.

Exit codes:
  0  the keys are there
  2  they are not, or not all: the reason is printed`;

/** `heauth keys` */
export function keysCommand() {
  return new Command("keys").description("the programs' own keys").addCommand(createCommand());
}

function createCommand() {
  return new Command("create")
    .description(
      "make the key of every program, each in a file or Secret of its own, and the file of their public halves",
    )
    .argument("[dir]", "a folder without keys; made when it is not there")
    .option("--kubernetes", "make Secrets and a ConfigMap in a cluster, instead of files in a folder")
    .option("--kubeconfig <file>", "how to reach the cluster; in a pod, its service account unless given")
    .option("--namespace <name>", "heauth's own namespace; the pod's or the kubeconfig's unless given")
    .option("--identity-secret <name>", "Secret for identity.json and server-secrets.json", "heauth-keys-identity")
    .option("--hub-secret <name>", "Secret for hub.json", "heauth-keys-hub")
    .option("--operator-secret <name>", "Secret for operator.json", "heauth-keys-operator")
    .option("--cli-secret <name>", "Secret for cli.json", "heauth-keys-cli")
    .option("--ledger-config-map <name>", "ConfigMap for ledger-keys.json", "heauth-ledger-keys")
    .option("--json", "print the result as JSON")
    .addHelpText("after", HELP)
    .action(async (dir, { kubernetes, json, ...inCluster }) => {
      if ((kubernetes ?? false) === (dir !== undefined)) {
        throw new CliError("InvalidOption", "keys are made either in a folder or, with --kubernetes, in a cluster");
      }
      if (dir === undefined) await runCreateInCluster({ ...inCluster, json });
      else await createInFolder(resolve(dir), json);
    });
}

async function createInFolder(folder: string, json: boolean | undefined): Promise<void> {
  await refuseKeys(folder);
  const { pinned } = await openKeys({ keys: folder, ledgerKeys: join(folder, LEDGER_KEYS) });
  if (json) console.log(JSON.stringify({ folder, files: Object.keys(FILES), keys: [...pinned.keys()] }));
  else console.log([`made keys in ${folder}; who gets which file:`, ...table()].join("\n"));
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
