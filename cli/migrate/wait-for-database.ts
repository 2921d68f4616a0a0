import { asError, createBackoff, pause } from "@heauth/program";
import { StoreError } from "@heauth/store";

/** What may come to be by itself: a login (28000, 28P01) or a database (3D000) that is not there yet. */
const NOT_YET = new Set(["28000", "28P01", "3D000"]);
const BACKOFF = { firstMs: 250, maxMs: 5_000 };
const SAY_EVERY_MS = 30_000;

export interface Waiting {
  /** How long at most. */
  readonly mostMs: number;
  /** Told what is waited for: each new reason at once, the same one again from time to time. */
  readonly say: (line: string) => void;
}

/** Does `work` until the database is there for it. Rejects with the last error when that takes too long, with any other one at once. */
export async function waitForDatabase<T>(work: () => Promise<T>, { mostMs, say }: Waiting): Promise<T> {
  const beganMs = performance.now();
  const backoff = createBackoff(BACKOFF);
  let said: { readonly why: string; readonly atMs: number } | undefined;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const nowMs = performance.now();
      const leftMs = mostMs - (nowMs - beganMs);
      const why = reasonToWait(error);
      if (why === undefined || leftMs <= 0) throw error;
      if (why !== said?.why || nowMs - said.atMs >= SAY_EVERY_MS) {
        say(`waiting for the database, ${Math.ceil(leftMs / 1000)} s more at most: ${why}`);
        said = { why, atMs: nowMs };
      }
      await pause(Math.min(backoff.next(), leftMs));
    }
  }
}

/** PostgreSQL's own words and Node's name logins, databases and addresses, and no password. */
function reasonToWait(thrown: unknown): string | undefined {
  const error = asError(thrown);
  if (error instanceof StoreError) {
    if (error.code !== "StoreUnavailable") return undefined;
    return error.cause === undefined ? error.message : asError(error.cause).message;
  }
  return NOT_YET.has(String((error as { code?: unknown }).code)) ? error.message : undefined;
}
