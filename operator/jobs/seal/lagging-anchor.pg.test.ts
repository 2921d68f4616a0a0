import { parseCheckpoint } from "@heauth/core/ledger";
import type { Database, Tx } from "@heauth/store";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type SealedTenant, SealRig } from "../../testing/seal-rig.ts";
import { ProofMemory } from "./proof-memory.ts";

let rig: SealRig;
let tenant: SealedTenant;

beforeAll(async () => {
  rig = await SealRig.open();
});
afterAll(() => rig.drop());
beforeEach(async () => {
  tenant = await rig.tenant();
  await tenant.record();
  await tenant.seal();
});
afterEach(() => tenant.end());

/** The operator's database, which counts the leaves that are read from it. */
function counting() {
  let leaves = 0;
  const counted = (tx: Tx): Tx => ({
    async query<Row extends object>(sql: string, params?: readonly unknown[]) {
      const rows = await tx.query<Row>(sql, params);
      if (/SELECT index, leaf FROM log_entry/.test(sql)) leaves += rows.length;
      return rows;
    },
  });
  const database: Database = {
    ...rig.operator,
    tenantTransaction: (id, work) => rig.operator.tenantTransaction(id, (tx) => work(counted(tx))),
  };
  return { database, leaves: () => leaves };
}

/** A run of a sealer whose anchor is read as `held.note` says, and written nowhere. */
async function run() {
  const held = { note: (await tenant.anchor()) ?? "", written: "" };
  const { database, leaves } = counting();
  const anchors = {
    read: async () => held.note,
    write: async (_tenant: object, note: string) => {
      held.written = note;
    },
  };
  const options = { database, anchors, memory: new ProofMemory() };
  return {
    held,
    leaves,
    seal: () => tenant.seal(options),
    async sealNext() {
      await tenant.record();
      return tenant.seal(options);
    },
  };
}

describe("under an anchor that lags", () => {
  test("100 seals read no leaf twice: none in one run, and each once after a restart", async () => {
    const first = await run();
    for (let n = 0; n < 20; n++) expect(await first.sealNext()).toMatchObject({ kind: "Sealed" });
    expect(first.leaves()).toBe(0);
    const second = await run();
    second.held.note = first.held.note;
    for (let n = 0; n < 100; n++) expect(await second.sealNext()).toMatchObject({ kind: "Sealed" });
    expect(second.leaves()).toBe(26);
    expect(await tenant.verify(second.held.written)).toMatchObject({ status: "Intact", anchor: "Matched" });
    expect(await tenant.verify(first.held.note)).toMatchObject({ status: "Intact", anchor: "Matched" });
  }, 30_000);

  test("an anchor that moves on to one that the run signed needs no proof; one that is unknown does", async () => {
    const { held, sealNext, leaves, seal } = await run();
    await sealNext();
    const signed = held.written;
    await sealNext();
    await sealNext();
    held.note = signed;
    expect(await seal()).toMatchObject({ kind: "Unchanged", size: 9 });
    expect(leaves()).toBe(0);
    // Older than what was asked for last: not remembered any more.
    held.note = (await tenant.anchor()) ?? "";
    expect(await seal()).toMatchObject({ kind: "Unchanged", size: 9 });
    expect(leaves()).toBe(9);
  });

  test("what another operator sealed in between is proved", async () => {
    const { sealNext, leaves } = await run();
    await sealNext();
    const other = await run();
    await other.sealNext();
    expect(await sealNext()).toMatchObject({ kind: "Sealed", size: 9 });
    expect(leaves()).toBe(8);
    expect(await sealNext()).toMatchObject({ kind: "Sealed", size: 10 });
    expect(leaves()).toBe(8);
  });

  test("a database that was rolled back behind what the run has signed is found, though not behind the anchor", async () => {
    const { sealNext, seal, held } = await run();
    await sealNext();
    await sealNext();
    expect(parseCheckpoint(held.note).size).toBe(6);
    await tenant.rollBack(7);
    expect(await seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching(/^RolledBack: .*signed 8/) });
    await tenant.record();
    expect(await seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching(/^RolledBack:/) });
  });

  test.each([
    ["as long as it was", 1],
    ["longer than it was", 2],
  ])("a database with another history that is %s is found", async (_what, more) => {
    const { sealNext, seal } = await run();
    await sealNext();
    await tenant.rollBack(6);
    const other = await run();
    for (let n = 0; n < more; n++) await other.sealNext();
    expect(await seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching(/^Forked:/) });
  });

  test("a database that was rolled back behind the anchor is found also after a restart", async () => {
    const { sealNext, held } = await run();
    await sealNext();
    const newer = held.written;
    await sealNext();
    await tenant.rollBack(6);
    const next = await run();
    next.held.note = newer;
    expect(await next.seal()).toMatchObject({
      kind: "Halted",
      why: expect.stringMatching(/^RolledBack: the anchor has 7/),
    });
  });
});

test("the memory stays small, and keeps the anchor that it was asked for", () => {
  const memory = new ProofMemory();
  const head = (size: number) => ({ epoch: 0, size, root: Buffer.from(`${size}`) });
  const anchor = head(1);
  for (let size = 1; size < 500; size++) memory.proved("t", { anchor, head: head(size), next: head(size + 1) });
  expect(memory.covers("t", head(500), anchor)).toBe(true);
  expect(memory.covers("t", head(500), head(499))).toBe(true);
  expect(memory.covers("t", head(500), head(2))).toBe(false);
  expect(memory.covers("t", head(499), anchor)).toBe(false);
  for (let n = 0; n < 10_000; n++) memory.proved(`${n}`, { anchor, head: anchor, next: anchor });
  expect(memory.headOf("t")).toBeUndefined();
  expect(memory.headOf("0")).toEqual(anchor);
});
