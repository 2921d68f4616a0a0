import type { AnchoredTenant } from "./store.ts";

export interface FlusherOptions {
  /** How often one tenant's is written at most; the first one, and what is urgent, is written at once. */
  readonly everyMs: number;
  readonly nowMs: () => number;
  /** Writes it. @returns when to try again, in ms; undefined when it is written. Never rejects */
  readonly flush: (tenant: AnchoredTenant, note: string) => Promise<number | undefined>;
}

/** Writes the newest note of each tenant, some at a time, each tenant's at most every so often. */
export interface Flusher {
  /** Tenants whose newest note is not written. */
  readonly size: number;
  /** Of those, how many were due and are not written all the same. */
  readonly overdue: number;
  start(): void;
  put(tenant: AnchoredTenant, note: string, wish?: { readonly urgent: boolean }): void;
  /** Takes back what is not written. */
  drop(tenantId: string): void;
  /** Tries once more for each that is left, as long as there is time. @returns how many are left */
  stop(deadline: AbortSignal): Promise<number>;
}

interface Waiting {
  readonly tenant: AnchoredTenant;
  note: string;
  dueMs: number;
  /** It could not be written when it was due: what comes meanwhile waits with it, however urgent. */
  isRetry: boolean;
}

const AT_ONCE = 8;
const LOOK_EVERY_MS = 500;
/** What a write may take, with others before it. */
const OVERDUE_MS = 10_000;

export function createFlusher({ everyMs, nowMs, flush }: FlusherOptions): Flusher {
  const waiting = new Map<string, Waiting>();
  const writtenAt = new Map<string, number>();
  const running = new Map<string, Promise<void>>();
  let timer: NodeJS.Timeout | undefined;

  async function run(id: string, one: Waiting): Promise<void> {
    const { note, tenant } = one;
    const againMs = await flush(tenant, note);
    running.delete(id);
    if (againMs === undefined) writtenAt.set(id, nowMs());
    // It may have been taken back, or be another one by now.
    if (againMs === undefined && one.note === note && waiting.get(id) === one) waiting.delete(id);
    else Object.assign(one, { dueMs: nowMs() + (againMs ?? everyMs), isRetry: againMs !== undefined });
    pump();
  }

  function pump(): void {
    if (timer === undefined) return;
    for (const [id, one] of waiting) {
      if (running.size >= AT_ONCE) return;
      if (one.dueMs <= nowMs() && !running.has(id)) running.set(id, run(id, one));
    }
  }

  return {
    get size() {
      return waiting.size;
    },
    get overdue() {
      const before = nowMs() - OVERDUE_MS;
      return [...waiting.values()].filter(({ dueMs, isRetry }) => isRetry || dueMs <= before).length;
    },
    start() {
      timer = setInterval(() => {
        // Of those that were written long ago nothing has to be remembered.
        for (const [id, at] of writtenAt) if (at + everyMs <= nowMs()) writtenAt.delete(id);
        pump();
      }, LOOK_EVERY_MS);
      pump();
    },
    put(tenant, note, { urgent } = { urgent: false }) {
      const there = waiting.get(tenant.id);
      const dueMs = urgent ? nowMs() : (writtenAt.get(tenant.id) ?? -everyMs) + everyMs;
      if (there === undefined) waiting.set(tenant.id, { tenant, note, dueMs, isRetry: false });
      else Object.assign(there, { note, dueMs: there.isRetry ? there.dueMs : Math.min(there.dueMs, dueMs) });
      pump();
    },
    drop(tenantId) {
      waiting.delete(tenantId);
    },
    async stop(deadline) {
      clearInterval(timer);
      timer = undefined;
      const late = Promise.withResolvers<void>();
      if (deadline.aborted) late.resolve();
      deadline.addEventListener("abort", () => late.resolve(), { once: true });
      const work = async (left: [string, Waiting][]) => {
        for (let next = left.shift(); next !== undefined && !deadline.aborted; next = left.shift()) await run(...next);
      };
      const finish = async () => {
        await Promise.all(running.values());
        const left = [...waiting];
        await Promise.all(Array.from({ length: AT_ONCE }, () => work(left)));
      };
      await Promise.race([finish(), late.promise]);
      return waiting.size;
    },
  };
}
