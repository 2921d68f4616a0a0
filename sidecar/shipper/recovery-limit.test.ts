import { generateKeyPairSync } from "node:crypto";
import { createMetrics, uuidv7 } from "@heauth/program";
import { expect, test } from "@jest/globals";
import type { Leftover } from "../wal/leftovers.ts";
import { MAX_RECOVERS } from "./hub-journals.ts";
import { createJournalMetrics } from "./journal-metrics.ts";
import { Recovery, type RecoveryOptions } from "./recovery.ts";
import { owner } from "./testing/journal-rig.ts";

test("of too many ended journals the rest waits for the next process, and is not called lost", async () => {
  const leftovers = Array.from(
    { length: MAX_RECOVERS + 2 },
    (): Leftover => ({
      journal: uuidv7(),
      owner,
      readable: [],
      paths: [],
      first: 0,
      next: 9,
      last: undefined,
      bestEffort: false,
      corruption: undefined,
      size: 1,
    }),
  );
  const settled: string[] = [];
  const folder = {
    leftovers,
    settle: async ({ journal }: Leftover, outcome: string) => settled.push(`${journal} ${outcome}`),
  } as unknown as RecoveryOptions["folder"];
  const told: unknown[] = [];
  const log = { info() {}, warn: (said: unknown) => told.push(said), error: (said: unknown) => told.push(said) };
  const recovery = new Recovery({
    clock: { wallMicros: () => 1 } as RecoveryOptions["clock"],
    log: log as unknown as RecoveryOptions["log"],
    metrics: createJournalMetrics(createMetrics()),
    folder,
    shipper: {} as RecoveryOptions["shipper"],
    owner,
  });
  const { recoverable } = recovery;
  expect(recoverable).toHaveLength(MAX_RECOVERS);
  const written: unknown[] = [];
  const append = (input: unknown) => {
    written.push(input);
    return { durable: async () => {} };
  };
  const key = generateKeyPairSync("ed25519").privateKey;
  const known = recoverable.map((journal) => ({ journal, head: { number: 3, seq: 9 }, final: true }));
  await recovery.begin({ id: uuidv7(), key, append }, known);
  await recovery.stop();
  expect(settled).toEqual(recoverable.map((journal) => `${journal} Remove`));
  expect(recovery.remaining).toBe(2);
  expect({ written, told }).toEqual({ written: [], told: [] });
});
