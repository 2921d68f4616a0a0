import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMetrics, systemClock } from "@heauth/program";
import { type Journal, type JournalInput, openJournal } from "../journal.ts";
import { createJournalMetrics } from "../journal-metrics.ts";
import type { JournalLimits, JournalOptions, JournalOwner } from "../journal-options.ts";
import { InMemoryHub } from "./in-memory-hub.ts";

export const owner: JournalOwner = {
  tenant: "01920000-0000-7000-8000-000000000001",
  pod: "shop/web-1",
  registrar: "hub-0123abcd",
};

export const session = "01930000-0000-7000-8000-000000000001";

/** Small files, so that a test goes through several of them; and nobody is refused because the machine is slow. */
export const smallLimits: Partial<JournalLimits> = { fileSize: 256 * 1024, quota: 16 * 1024 * 1024, waitMs: 60_000 };

/** A decision on one of `count` sessions. */
export function decision(number: number, count = 8): JournalInput {
  const tail = String(number % count).padStart(12, "0");
  return {
    type: "decision",
    at: 1_700_000_000_000_000 + number,
    source: "sidecar",
    session: `01930000-0000-7000-8000-${tail}`,
    request: `request-${number}`,
    decision: "Allow",
    rule: "read-patient",
    action: "patient.read",
    private: { method: "GET", path: `/patients/${number}`, peer: "10.0.0.7" },
  };
}

/** Journals on a folder of their own, with a hub in memory; `end` stops what is running and removes the folder. */
export class JournalRig {
  readonly hub = new InMemoryHub();
  readonly failures: Error[] = [];
  readonly logs: { level: string; fields: Record<string, unknown>; message: string }[] = [];
  readonly folder: string;
  readonly #open = new Set<Journal>();

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<JournalRig> {
    return new JournalRig(await mkdtemp(join(tmpdir(), "heauth-journal-")));
  }

  /** Opens a journal whose `open` has not been called. */
  async prepare(limits: Partial<JournalLimits> = smallLimits, some: Partial<JournalOptions> = {}): Promise<Journal> {
    const say = (level: string) => (fields: Record<string, unknown>, message: string) =>
      void this.logs.push({ level, fields, message });
    const log = { info: say("info"), warn: say("warn"), error: say("error") } as unknown as JournalOptions["log"];
    const journal = await openJournal({
      folder: this.folder,
      hub: this.hub,
      clock: systemClock,
      log,
      metrics: createJournalMetrics(createMetrics()),
      limits,
      onFailed: (error) => void this.failures.push(error),
      ...some,
    });
    this.#open.add(journal);
    return journal;
  }

  async start(limits: Partial<JournalLimits> = smallLimits, some: Partial<JournalOptions> = {}): Promise<Journal> {
    const journal = await this.prepare(limits, some);
    await journal.open(owner);
    return journal;
  }

  /** Stops a journal; without a time to ship, what is left stays. Long, unless given: how busy the machine is proves nothing. */
  stop(journal: Journal, withinMs = 25_000) {
    this.#open.delete(journal);
    return journal.stop(withinMs === 0 ? AbortSignal.abort() : AbortSignal.timeout(withinMs));
  }

  async end(): Promise<void> {
    for (const journal of this.#open) await this.stop(journal, 0);
    await rm(this.folder, { recursive: true, force: true });
  }
}
