import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { pause } from "@heauth/program";
import { expect, test } from "@jest/globals";
import { temporaryFolder } from "../../kube/folder.ts";
import { PREFIX } from "../local.ts";
import { removeNode } from "./start-node.ts";

const here = (process.env["E2E_CLUSTER"] || "local") === "local" ? test : test.skip;
const WITHIN_MS = 300_000;

interface Left {
  readonly folder: string;
  readonly link: string;
}

/** What is still there of a node: processes, mounts, the interface, groups, and the folder. */
function remains({ folder, link }: Left) {
  const programs = globSync("/proc/[0-9]*/cmdline").map((file) => text(file).replaceAll("\0", " "));
  return {
    processes: programs.filter((program) => program.includes(folder)),
    mounts: text("/proc/self/mountinfo").includes(folder),
    interface: networkInterfaces()[link] !== undefined,
    groups: globSync(`/sys/fs/cgroup/{,*/}${basename(folder)}`),
    folder: existsSync(folder),
  };
}

/** A process may end while its files are read. */
function text(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

const nothing = { processes: [], mounts: false, interface: false, groups: [], folder: false };
const chains = () => ["iptables-save", "ip6tables-save"].map((command) => execFileSync(command, { encoding: "utf8" }));

/** Starts a node in a program of its own, which gets the signal when the node is ready. */
async function nodeEndedBy(signal: NodeJS.Signals): Promise<Left> {
  const parent = spawn(process.execPath, [join(import.meta.dirname, "../testing/parent.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(parent, "exit");
  try {
    const [line] = (await once(createInterface({ input: parent.stdout }), "line")) as [string];
    const left: Left = JSON.parse(line);
    expect(remains(left)).toMatchObject({ interface: true, folder: true, mounts: false });
    expect(remains(left).processes.length).toBeGreaterThan(5);
    parent.kill(signal);
    await exited;
    return left;
  } finally {
    parent.kill("SIGKILL");
  }
}

here(
  "a node that is stopped leaves no process, mount, interface, group, folder or chain",
  async () => {
    const before = chains();
    expect(remains(await nodeEndedBy("SIGTERM"))).toEqual(nothing);
    expect(chains()).toEqual(before);
  },
  WITHIN_MS,
);

here(
  "a node whose test is killed leaves no process, and the rest until the next one starts",
  async () => {
    const before = chains();
    const left = await nodeEndedBy("SIGKILL");
    const within = AbortSignal.timeout(60_000);
    while (remains(left).processes.length > 0) await pause(50, within);
    expect(remains(left)).toMatchObject({ mounts: false, folder: true });
    const next = await temporaryFolder(PREFIX, removeNode);
    expect(remains(left)).toEqual(nothing);
    expect(chains()).toEqual(before);
    await next.remove();
  },
  WITHIN_MS,
);
