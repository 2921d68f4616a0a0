import { IDENTITY_AUDIENCE } from "../tokens/claims.ts";
import type { CompiledPolicy, HeaderValue } from "./compiled.ts";
import type { SessionEvidence, VerifiedToken } from "./evidence.ts";

export interface Upstream {
  readonly setHeaders: Readonly<Record<string, string>>;
  readonly removeHeaders: readonly string[];
}

export interface PreparedUpstream {
  /** For a request without a session: what the client sent under the policy's names is removed. */
  readonly anonymous: Upstream;
  /** For a request of a session. */
  of(session: SessionEvidence): Upstream;
  /** Never a token that is good for identity's own API: the app could act as its user. */
  forwards(token: VerifiedToken): boolean;
}

/** Prepares what the app gets to see of a request's session. */
export function prepareUpstream(policy: CompiledPolicy): PreparedUpstream {
  const headers = Object.entries(policy.upstream.headers);
  const anonymous: Upstream = { setHeaders: {}, removeHeaders: headers.map(([name]) => name) };
  return {
    anonymous,
    of: (session) => {
      const setHeaders: Record<string, string> = {};
      const removeHeaders: string[] = [];
      for (const [name, source] of headers) {
        const value = headerValue(source, session, policy.tenant.name);
        if (value === "") removeHeaders.push(name);
        else setHeaders[name] = value;
      }
      return { setHeaders, removeHeaders };
    },
    forwards: (token) => policy.upstream.forwardCredentials && !token.aud.includes(IDENTITY_AUDIENCE),
  };
}

function headerValue(source: HeaderValue, session: SessionEvidence, tenantName: string): string {
  switch (source) {
    case "session.id":
      return fieldValue(session.id);
    case "session.subject":
      return fieldValue(session.subject);
    case "session.tenant":
      return tenantName;
    case "session.roles":
      return session.roles.map(fieldValue).join(",");
  }
}

/** Percent-encodes what can't stand in a header, or would part one role from the next. */
function fieldValue(text: string): string {
  return /^[\x21-\x24\x26-\x2b\x2d-\x7e]*$/.test(text) ? text : encodeURIComponent(text.toWellFormed());
}
