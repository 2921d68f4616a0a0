import { dummyHash, hashPassword, needsRehash, UsersError, verifyPassword } from "@heauth/core/users";
import {
  giveBackLoginAttempt,
  type LoginAttempt,
  type LoginCounter,
  type Tenant,
  type Tx,
  takeLoginAttempt,
} from "@heauth/store";
import { IdentityError } from "../errors.ts";
import type { Origin } from "../http/origin.ts";
import type { Workshop } from "../parts.ts";
import { absentRules, loginCounters } from "./counters.ts";

/** Somebody with a password. */
export interface Account {
  readonly id: string;
  readonly login?: string;
  readonly email: string;
  readonly passwordHash: string;
}

export interface Claim<A extends Account> {
  /** Undefined when it does not exist; answers and time do not tell. */
  readonly tenant: Tenant | undefined;
  /** Who it says it is, as typed. */
  readonly name: string;
  readonly password: string;
  readonly find: (tx: Tx, tenantId: string) => Promise<A | undefined>;
  readonly origin: Origin;
  readonly requestId: string;
}

/** Somebody who has proved who he is. */
export interface Authenticated<A extends Account> {
  readonly tenant: Tenant;
  readonly account: A;
  /** To be kept instead of the old one. */
  readonly newHash: string | undefined;
  /** Gives the attempt back; to be called in the transaction that opens the session, before anything is locked there. */
  settle(tx: Tx): Promise<void>;
}

/**
 * Checks a password. The attempt is counted, and that is committed, before the password is looked at, so that no number of guesses at
 * once gets past the counters. An account that does not exist costs the same time and gets the same answer. A failure is recorded.
 * @throws IdentityError LoginFailed, TooManyAttempts, Overloaded; StoreError StoreUnavailable: without counters nobody logs in
 */
export async function authenticate<A extends Account>(workshop: Workshop, claim: Claim<A>): Promise<Authenticated<A>> {
  const { tenant, password } = claim;
  const algorithm = tenant?.settings.passwords.hash ?? "Argon2id";

  return workshop.hashing.run(async () => {
    const { account, attempt, counters } = await count(workshop, claim);
    if (!attempt.allowed) throw tooMany(attempt.retryAt, workshop.clock.wallMs());
    const fits = await verifyPassword(account?.passwordHash ?? (await dummyHash(algorithm)), password);
    if (account === undefined || tenant === undefined || !fits) {
      await recordFailure(workshop, claim, account);
      throw new IdentityError("LoginFailed");
    }
    const outdated = needsRehash(account.passwordHash, algorithm);
    const newHash = outdated ? await rehashed(password, algorithm) : undefined;
    return { tenant, account, newHash, settle: (tx) => giveBackLoginAttempt(tx, tenant.id, counters) };
  });
}

interface Counted<A extends Account> {
  readonly account: A | undefined;
  readonly attempt: LoginAttempt;
  readonly counters: readonly LoginCounter[];
}

async function count<A extends Account>(workshop: Workshop, claim: Claim<A>): Promise<Counted<A>> {
  const { tenant, name, origin, find } = claim;
  if (tenant === undefined) {
    const counters = loginCounters(name, origin.peer, absentRules);
    const attempt = workshop.absentTenants.take(counters, workshop.clock.wallMs());
    return { account: undefined, attempt, counters };
  }
  return workshop.database.tenantTransaction(tenant.id, async (tx) => {
    const account = await find(tx, tenant.id);
    // By id where there is one: login and e-mail of one account share its counter.
    const counters = loginCounters(account?.id ?? name, origin.peer, tenant.settings.lockout);
    return { account, attempt: await takeLoginAttempt(tx, tenant.id, counters), counters };
  });
}

/** Who failed is told only where it is known to be somebody: people type passwords into the wrong field. */
async function recordFailure<A extends Account>(
  workshop: Workshop,
  claim: Claim<A>,
  account: A | undefined,
): Promise<void> {
  const { tenant, origin, requestId } = claim;
  if (tenant === undefined) return;
  const whose = account && {
    user: account.id,
    email: account.email,
    ...(account.login !== undefined && { login: account.login }),
  };
  await workshop.database.tenantTransaction(tenant.id, async (tx) => {
    await workshop.ledgerWriter.append(tx, tenant.id, [
      { type: "identity.login.failed", request: requestId, private: { ...whose, ...origin } },
    ]);
  });
}

/** A password that the tenant's newer kind of hash cannot take keeps its old hash. */
async function rehashed(...hashing: Parameters<typeof hashPassword>): Promise<string | undefined> {
  try {
    return await hashPassword(...hashing);
  } catch (error) {
    if (error instanceof UsersError) return undefined;
    throw error;
  }
}

function tooMany(retryAt: number, nowMs: number): IdentityError {
  return new IdentityError("TooManyAttempts", { retryAfter: Math.max(1, Math.ceil((retryAt - nowMs) / 1000)) });
}
