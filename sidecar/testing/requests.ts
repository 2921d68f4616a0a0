import { type AccessTokenClaims, mintAccessToken, newTagKey, type TagKey } from "@heauth/core/tokens";
import { createMetrics } from "@heauth/program";
import { type Authorize, type CheckRequest, createAuthorize, type RecordSink } from "../authorize.ts";
import { createDecisionMetrics } from "../decision-metrics.ts";
import { testCache } from "../sessions/testing.ts";
import { issuer, type PolicyParts, preparedPolicy } from "./policy.ts";

type Session = string;

/** The request path before a hub in memory, whose sessions' tokens can be minted. */
export class Requests {
  readonly tagKey: TagKey = newTagKey();
  readonly metrics = createMetrics();
  readonly #sessions = testCache();

  get cache() {
    return this.#sessions.cache;
  }
  get clock() {
    return this.#sessions.clock;
  }
  get hub() {
    return this.#sessions.hub;
  }
  /** The hub tells that the session is closed. */
  close(session: Session, reason = "Logout"): void {
    this.#sessions.closedEvent(session, this.hub.revoke(session, reason));
  }

  policy(parts: Omit<PolicyParts, "tenantId"> = {}) {
    return preparedPolicy({ ...parts, tenantId: this.hub.tenant });
  }

  authorize(journal: RecordSink, parts: Omit<PolicyParts, "tenantId"> = {}): Authorize {
    const inForce = { policy: this.policy(parts), tagKeys: [this.tagKey], journal };
    return createAuthorize({
      inForce: () => inForce,
      sessions: this.cache,
      clock: this.clock,
      metrics: createDecisionMetrics(this.metrics),
    });
  }

  token(session: Session, changes: Partial<AccessTokenClaims> = {}, tagKey = this.tagKey): string {
    const privateKey = this.hub.privateKeys.get(session);
    if (privateKey === undefined) throw new Error("no such session");
    const now = Math.floor(this.clock.wallMs() / 1000);
    const claims: AccessTokenClaims = {
      iss: issuer,
      aud: ["shop"],
      sub: "ada",
      client_id: "heauth",
      tenant: this.hub.tenant,
      sid: session,
      roles: [],
      iat: now,
      nbf: now,
      exp: now + 600,
      jti: session,
      auth_time: now,
      amr: ["pwd"],
      ...changes,
    };
    return mintAccessToken(claims, { privateKey, tagKey });
  }
}

export const bearer = (token: string) => ({ authorization: [`Bearer ${token}`], cookie: [] });

/** A GET as Envoy would ask about it. */
export function get(target: string, more: Partial<CheckRequest> & { method?: string } = {}): CheckRequest {
  const { method = "GET", ...rest } = more;
  return {
    facts: { method, target, host: "shop.test" },
    credentials: { authorization: [], cookie: [] },
    requestId: "request-1",
    peer: "192.0.2.1",
    forwardedFor: undefined,
    userAgent: "curl/8",
    ...rest,
  };
}
