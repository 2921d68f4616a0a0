import type { Evidence, PreparedPolicy } from "@heauth/core/policy";
import {
  type CredentialHeaders,
  type ParsedAccessToken,
  parseAccessToken,
  readCredential,
  type TagKey,
  tagMatches,
  unverifiedTenant,
  verifyAccessToken,
} from "@heauth/core/tokens";
import type { KnownSession, Resolution, SessionCache } from "./sessions/index.ts";

/** What a request's credential proves, and whose session it is of where identity's statement vouches for one. */
export interface Authentication {
  readonly evidence: Evidence;
  readonly session?: KnownSession;
  /** The session's state was older than it should have been. */
  readonly stale: boolean;
}

export interface AuthenticationParts {
  readonly policy: PreparedPolicy;
  readonly tagKeys: readonly TagKey[];
  readonly sessions: SessionCache;
}

type Refusal = Extract<Evidence, { kind: "Refused" }>["reason"];

const refused = (reason: Refusal, known: Partial<Authentication> = {}): Authentication => ({
  stale: false,
  ...known,
  evidence: { kind: "Refused", reason },
});

/** From credential to evidence: cheap checks first, the store only for what carries a good tag. Never throws. */
export async function authenticate(headers: CredentialHeaders, parts: AuthenticationParts): Promise<Authentication> {
  const { policy, sessions, tagKeys } = parts;
  const { authentication, tenant, sessions: limits } = policy.policy;

  const credential = readCredential(headers, authentication.credentials);
  if (credential.kind === "None") return { evidence: { kind: "None" }, stale: false };
  if (credential.kind === "Refused") return refused(credential.reason);

  const remembered = sessions.tokens.recall(credential.token);
  const parsed = remembered === undefined ? parseAccessToken(credential.token) : undefined;
  if (parsed?.ok === false) return refused(parsed.reason);
  if (parsed !== undefined && !tagMatches(tagKeys, parsed.token.session, parsed.token.tag)) {
    return refused(foreign(parsed.token, tenant.id) ? "WrongTenant" : "BadTag");
  }

  const id = remembered?.session.id ?? parsed?.token.session ?? "";
  const resolution = await sessions.resolve(tenant.id, id, { ...authentication, ...limits });
  if (resolution.kind !== "Known") return refused(reasonOf[resolution.kind]);

  const { session, stale } = resolution;
  if (remembered !== undefined && remembered.session !== session) {
    // Verified by a session that has been replaced meanwhile: to be verified again.
    sessions.tokens.forget(session.id);
    return authenticate(headers, parts);
  }
  let token = remembered?.token;
  if (token === undefined && parsed !== undefined) {
    const verification = verifyAccessToken(parsed.token, session.publicKey);
    if (!verification.ok) return refused(verification.reason, { session, stale });
    token = verification.claims;
    sessions.tokens.remember(credential.token, { session, token });
  }
  if (token === undefined) return refused("MalformedToken", { session, stale });
  const evidence: Evidence = { kind: "Verified", source: credential.source, token, session: resolution.evidence };
  return { evidence, session, stale };
}

const reasonOf: Readonly<Record<Exclude<Resolution["kind"], "Known">, Refusal>> = {
  Unknown: "UnknownSession",
  Untrusted: "BadStatement",
  Unavailable: "StoreUnavailable",
};

/** A token that says itself that it is another tenant's: nobody vouches for that, but it names the mix-up. */
function foreign(token: ParsedAccessToken, tenant: string): boolean {
  const claimed = unverifiedTenant(token);
  return claimed !== undefined && claimed !== tenant;
}
