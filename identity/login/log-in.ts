import { IDENTITY_AUDIENCE } from "@heauth/core/tokens";
import {
  rehashPassword,
  StoreError,
  setTenantPasswordHash,
  type Tenant,
  type TenantAccount,
  type Tx,
  userForLogin,
} from "@heauth/store";
import type { FastifyRequest } from "fastify";
import { IdentityError } from "../errors.ts";
import { originOf } from "../http/origin.ts";
import type { Workshop } from "../parts.ts";
import { type Login, type OpenedTokens, openTokens } from "../sessions/open-tokens.ts";
import { type Account, type Authenticated, authenticate } from "./authenticate.ts";

export interface UserLogin {
  /** Undefined when there is none of that name. */
  readonly tenant: Tenant | undefined;
  /** A login or an e-mail address. */
  readonly login: string;
  readonly password: string;
  readonly audiences: readonly string[];
  readonly deviceId?: string | undefined;
}

/**
 * Logs a user in: checks the password and opens a session.
 * @throws IdentityError LoginFailed, TooManyAttempts, SessionsFull, Overloaded; StoreError StoreUnavailable
 */
export function logUserIn(workshop: Workshop, request: FastifyRequest, wish: UserLogin): Promise<OpenedTokens> {
  const { tenant, login: name, password, audiences, deviceId } = wish;
  const claim = { tenant, name, password, origin: originOf(request), requestId: request.id };
  return counted(workshop, async () => {
    const proven = await authenticate(workshop, { ...claim, find: (tx, id) => userForLogin(tx, id, name) });
    const { id: userId, login, email, roles } = proven.account;
    return open(workshop, proven, rehashPassword, {
      tenant: proven.tenant,
      kind: "User",
      userId,
      login,
      email,
      roles,
      audiences,
      deviceId,
      origin: claim.origin,
    });
  });
}

/**
 * Logs a tenant in itself.
 * @throws as `logUserIn`
 */
export function logTenantIn(
  workshop: Workshop,
  request: FastifyRequest,
  { account, email, password }: { account: TenantAccount | undefined; email: string; password: string },
): Promise<OpenedTokens> {
  const claim = { tenant: account, name: email, password, origin: originOf(request), requestId: request.id };
  return counted(workshop, async () => {
    const proven = await authenticate(workshop, { ...claim, find: async () => account });
    const keepHash = (tx: Tx, tenantId: string, _: string, hash: string) => setTenantPasswordHash(tx, tenantId, hash);
    return open(workshop, proven, keepHash, tenantLogin(proven.account, claim.origin));
  });
}

/** A tenant's own session: for identity alone. */
export function tenantLogin(tenant: TenantAccount, origin: Login["origin"]): Login {
  const { id: userId, email } = tenant;
  return { tenant, kind: "Tenant", userId, email, roles: [], audiences: [IDENTITY_AUDIENCE], origin };
}

type KeepHash = (tx: Tx, tenantId: string, userId: string, hash: string) => Promise<void>;

async function open(
  workshop: Workshop,
  { tenant, account, newHash, settle }: Authenticated<Account>,
  keepHash: KeepHash,
  login: Login,
): Promise<OpenedTokens> {
  try {
    return await workshop.database.tenantTransaction(tenant.id, async (tx) => {
      await settle(tx);
      if (newHash !== undefined) await keepHash(tx, tenant.id, account.id, newHash);
      return openTokens(workshop, tx, login);
    });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (error.code === "SessionsFull") throw new IdentityError("SessionsFull");
    // Deleted since the password was checked.
    if (error.code === "NotFound") throw new IdentityError("LoginFailed");
    throw error;
  }
}

async function counted(workshop: Workshop, login: () => Promise<OpenedTokens>): Promise<OpenedTokens> {
  const { counts } = workshop;
  try {
    const opened = await login();
    counts.login("ok");
    counts.opened();
    if (opened.closed > 0) counts.closed("Evicted", opened.closed);
    return opened;
  } catch (error) {
    const code = error instanceof IdentityError ? error.code : undefined;
    if (code === "LoginFailed" || code === "SessionsFull") counts.login("refused");
    if (code === "TooManyAttempts") counts.login("locked");
    if (code === "Overloaded") counts.login("limited");
    throw error;
  }
}
