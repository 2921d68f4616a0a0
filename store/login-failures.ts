import { giveBackAttempt, type LockoutRules, type LockoutState, takeAttempt } from "@heauth/core/users";
import type { Tx } from "./transaction.ts";

/** `retryAt`: ms since the epoch. */
export type LoginAttempt = { allowed: true } | { allowed: false; retryAt: number };

/** Whose failures are counted (an account's, an address's), and when they lead to a delay. */
export type LoginCounter = { subject: string; rules: LockoutRules };

type Counter = LoginCounter & { state: LockoutState; nowMs: number };

/**
 * Takes one login attempt from each counter (an account's, an address's), counting it as failed before it is made. Commit before the
 * password is looked at: then no number of guesses at once gets more tries than the same guesses one by one.
 * Nothing is counted when one of the counters refuses.
 */
export async function takeLoginAttempt(
  tx: Tx,
  tenantId: string,
  counters: readonly LoginCounter[],
): Promise<LoginAttempt> {
  await tx.query(
    `INSERT INTO heauth.login_failure (tenant_id, subject, failures, window_start, retry_at)
     SELECT $1, subject, 0, now(), now() FROM unnest($2::text[]) AS subject ON CONFLICT DO NOTHING`,
    [tenantId, counters.map(({ subject }) => subject).toSorted()],
  );
  const attempts = (await lockCounters(tx, tenantId, counters)).map(({ subject, rules, state, nowMs }) => ({
    subject,
    attempt: takeAttempt(state, rules, nowMs),
  }));
  const refusals = attempts.flatMap(({ attempt }) => (attempt.allowed ? [] : [attempt.retryAtMs]));
  if (refusals.length > 0) return { allowed: false, retryAt: Math.max(...refusals) };
  await writeCounters(
    tx,
    tenantId,
    attempts.flatMap(({ subject, attempt }) => (attempt.allowed ? [{ subject, state: attempt.state }] : [])),
  );
  return { allowed: true };
}

/** Gives the attempt back after a login that succeeded. */
export async function giveBackLoginAttempt(tx: Tx, tenantId: string, counters: readonly LoginCounter[]): Promise<void> {
  const locked = await lockCounters(tx, tenantId, counters);
  await writeCounters(
    tx,
    tenantId,
    locked.map(({ subject, rules, state }) => ({ subject, state: giveBackAttempt(state, rules) })),
  );
}

/** Forgets counters that hold nobody back any more: of windows that began before `before` (ms since the epoch). */
export async function dropOldLoginAttempts(tx: Tx, before: number): Promise<void> {
  await tx.query(
    "DELETE FROM heauth.login_failure WHERE window_start < heauth.at($1) AND retry_at < statement_timestamp()",
    [before * 1000],
  );
}

/** In one order, so that guesses on the same counters queue up and do not lock each other out. */
async function lockCounters(tx: Tx, tenantId: string, counters: readonly LoginCounter[]): Promise<Counter[]> {
  const rulesOf = new Map(counters.map(({ subject, rules }) => [subject, rules]));
  const rows = await tx.query<{
    subject: string;
    failures: number;
    window_start: number;
    retry_at: number;
    now: number;
  }>(
    `SELECT subject, failures, window_start, retry_at, clock_timestamp() AS now FROM heauth.login_failure
      WHERE tenant_id = $1 AND subject = ANY ($2::text[]) ORDER BY subject FOR UPDATE`,
    [tenantId, [...rulesOf.keys()]],
  );
  return rows.flatMap(({ subject, failures, window_start, retry_at, now }) => {
    const rules = rulesOf.get(subject);
    const state = { failures, windowStartMs: window_start / 1000, retryAtMs: retry_at / 1000 };
    return rules ? [{ subject, rules, state, nowMs: now / 1000 }] : [];
  });
}

async function writeCounters(
  tx: Tx,
  tenantId: string,
  counters: readonly { subject: string; state: LockoutState }[],
): Promise<void> {
  await tx.query(
    `UPDATE heauth.login_failure f
        SET failures = c.failures, window_start = heauth.at(c.window_start), retry_at = heauth.at(c.retry_at)
       FROM unnest($2::text[], $3::integer[], $4::bigint[], $5::bigint[]) AS c (subject, failures, window_start, retry_at)
      WHERE f.tenant_id = $1 AND f.subject = c.subject`,
    [
      tenantId,
      counters.map(({ subject }) => subject),
      counters.map(({ state }) => state.failures),
      counters.map(({ state }) => Math.round(state.windowStartMs * 1000)),
      counters.map(({ state }) => Math.round(state.retryAtMs * 1000)),
    ],
  );
}
