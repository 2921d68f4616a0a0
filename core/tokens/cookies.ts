/** The cookie that carries an access token. `__Host-`: Secure, this host only, whole path (RFC 6265bis, section 4.1.3.2). */
export const ACCESS_COOKIE = "__Host-heauth-access";
/** The cookie that carries a refresh token; identity alone looks at it. */
export const REFRESH_COOKIE = "__Host-heauth-refresh";

/** A `Set-Cookie` value. An empty value with `maxAge` 0 removes the cookie. */
export function setCookie(name: string, value: string, maxAgeSeconds: number): string {
  return `${name}=${value}; Path=/; Max-Age=${maxAgeSeconds}; Secure; HttpOnly; SameSite=Lax`;
}

/**
 * Every value that `Cookie` headers hold under a name, as sent: a name can come twice, and whoever picks one of two is led astray.
 * Names are compared exactly; quotes stay part of a value (RFC 6265, section 5.4).
 */
export function cookieValues(headers: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (const header of headers) {
    for (const pair of header.split(";")) {
      if (nameOf(pair) === name) values.push(trimmed(pair.slice(pair.indexOf("=") + 1)));
    }
  }
  return values;
}

/**
 * A `Cookie` header without the cookies of these names; what stays is as it was sent, byte for byte. Empty when none is left.
 * Also what stands after a comma is taken out: Envoy joins several headers with commas when it asks, and passes them on apart. (Read as a
 * credential it is not: a comma may be part of a cookie that somebody else has set.)
 */
export function withoutCookies(header: string, names: readonly string[]): string {
  const pieces = header.split(/(?=[;,])/);
  const kept = pieces.filter((piece) => !names.includes(nameOf(piece.replace(/^[;,]/, "")) ?? ""));
  return kept.length === pieces.length ? header : trimmed(kept.join("").replace(/^[;,]/, ""));
}

/** Undefined for a pair without `=`, which names nothing. */
function nameOf(pair: string): string | undefined {
  const equals = pair.indexOf("=");
  return equals < 0 ? undefined : trimmed(pair.slice(0, equals));
}

/** Without spaces and tabs around it; other white space is not optional in a header. */
function trimmed(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, "");
}
