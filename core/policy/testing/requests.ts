import type { Decision } from "../decision.ts";
import type { Evidence, RequestFacts, SessionEvidence, VerifiedToken } from "../evidence.ts";
import { issuer, prepareExample, tenantId } from "./policy.ts";

export const nowMs = 1_790_000_000_000;
export const now = nowMs / 1000;

export const goodToken: VerifiedToken = {
  iss: issuer,
  tenant: tenantId,
  aud: ["shop", "heauth"],
  nbf: now - 60,
  exp: now + 540,
};
export const goodSession: SessionEvidence = {
  id: "0192f0c1-0000-7000-8000-00000000000a",
  tenant: tenantId,
  subject: "user-1",
  roles: ["doctor"],
  status: "Open",
  idleMs: 1000,
  expiresAtMs: nowMs + 3_600_000,
  ageMs: 100,
};

export const verified = ({
  token,
  session,
  source,
}: {
  token?: Partial<VerifiedToken>;
  session?: Partial<SessionEvidence>;
  source?: "AuthorizationHeader" | "Cookie";
} = {}): Evidence => ({
  kind: "Verified",
  source: source ?? "AuthorizationHeader",
  token: { ...goodToken, ...token },
  session: { ...goodSession, ...session },
});

export const none: Evidence = { kind: "None" };
export const get = (target: string, extra: Partial<RequestFacts> = {}): RequestFacts => ({
  method: "GET",
  target,
  ...extra,
});
export const post = (target: string, extra: Partial<RequestFacts> = {}): RequestFacts => ({
  method: "POST",
  target,
  ...extra,
});

export const example = prepareExample();

/** Decides as the request path does. */
export function decide(request: RequestFacts, evidence: Evidence, policy = example): Decision {
  return policy.decide({ request, route: policy.route(request), evidence, nowMs });
}
