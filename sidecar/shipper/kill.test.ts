import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseRecord } from "@heauth/core/ledger";
import { expect, test } from "@jest/globals";
import { recovered } from "../wal/testing/wal-rig.ts";

const PROGRAM = new URL("./testing/loaded-writer.ts", import.meta.url).pathname;
const KILLS = 20;

/** Runs the writer on a folder until it has acknowledged `count` records, kills it there and then; answers all it acknowledged. */
async function writeUntilKilled(folder: string, count: number): Promise<string[]> {
  const child = spawn(process.execPath, [PROGRAM, folder], { stdio: ["ignore", "pipe", "ignore"] });
  let output = "";
  let lines = 0;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    lines += text.split("\n").length - 1;
    if (lines >= count) child.kill("SIGKILL");
  });
  const [, signal] = await once(child, "close");
  expect(signal).toBe("SIGKILL");
  return output.split("\n").slice(0, -1); // what follows the last line feed was cut by the kill
}

async function checkOneKill(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "heauth-kill-"));
  try {
    const acknowledged = await writeUntilKilled(folder, 1 + Math.floor(Math.random() * 2000));
    const { leftover, texts = [] } = (await recovered(folder)) ?? {};
    expect(leftover?.corruption).toBeUndefined();
    const ids = texts.map((text) => parseRecord(Buffer.from(text)).id);
    expect(ids).toEqual(ids.map((_, seq) => `${leftover?.journal}/${seq}`));
    const found = new Set(ids);
    expect(acknowledged.filter((id) => !found.has(id))).toEqual([]);
    expect(acknowledged.length).toBeGreaterThan(0);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test(`kill -9 under load, ${KILLS} times: every acknowledged record is found`, async () => {
  for (let kill = 0; kill < KILLS; kill += 2) await Promise.all([checkOneKill(), checkOneKill()]);
}, 300_000);
