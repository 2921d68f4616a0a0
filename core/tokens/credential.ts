import type { CredentialSource } from "../policy/compiled.ts";
import type { ReasonName } from "../policy/reasons.ts";
import { MAX_TOKEN_BYTES } from "./access-token.ts";
import { ACCESS_COOKIE, cookieValues } from "./cookies.ts";

/** Every value of the headers that may carry a credential, as received: joined or first-wins values would hide a second one. */
export interface CredentialHeaders {
  readonly authorization: readonly string[];
  readonly cookie: readonly string[];
}

export type CredentialReading =
  | { readonly kind: "None" }
  | { readonly kind: "Credential"; readonly source: CredentialSource; readonly token: string }
  | {
      readonly kind: "Refused";
      readonly reason: Extract<ReasonName, "MalformedCredential" | "DuplicateCredential" | "OversizeCredential">;
    };

/** `b64token` of RFC 6750, section 2.1, and of what a cookie may hold what a token can be made of. */
const tokenPattern = /^[A-Za-z0-9._~+/-]+=*$/;
/** RFC 9110, section 11.4: the scheme's case does not matter; RFC 6750: one space or more, then the token. */
const bearerPattern = /^bearer(?: +(.*))?$/is;

const refused = (reason: "MalformedCredential" | "DuplicateCredential" | "OversizeCredential") =>
  ({ kind: "Refused", reason }) as const;

/**
 * The one access token of a request, from the sources that are accepted; others are not looked at. Two of them, in one header, in two or
 * in both sources, are refused, whatever they are.
 */
export function readCredential(headers: CredentialHeaders, accepted: readonly CredentialSource[]): CredentialReading {
  const authorizations = accepted.includes("AuthorizationHeader") ? headers.authorization : [];
  const cookies = accepted.includes("Cookie") ? cookieValues(headers.cookie, ACCESS_COOKIE) : [];
  if (authorizations.length + cookies.length > 1) return refused("DuplicateCredential");

  const [authorization] = authorizations;
  if (authorization !== undefined) return readAuthorization(authorization);
  const [cookie] = cookies;
  // A cleared cookie that a client still sends with an empty value is none.
  if (cookie === undefined || cookie === "") return { kind: "None" };
  return read("Cookie", cookie);
}

function readAuthorization(value: string): CredentialReading {
  const bearer = bearerPattern.exec(value);
  // Another scheme is somebody else's credential. A scheme is a token: `Bearer,` or `Bearer\0` is a mangled one of ours.
  if (bearer === null)
    return /^bearer(?![A-Za-z0-9!#$%&'*+.^_`|~-])/i.test(value) ? refused("MalformedCredential") : { kind: "None" };
  return read("AuthorizationHeader", bearer[1] ?? "");
}

function read(source: CredentialSource, token: string): CredentialReading {
  if (token.length > MAX_TOKEN_BYTES) return refused("OversizeCredential");
  if (/[\s,]bearer /i.test(token)) return refused("DuplicateCredential");
  return tokenPattern.test(token) ? { kind: "Credential", source, token } : refused("MalformedCredential");
}
