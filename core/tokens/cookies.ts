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
      const equals = pair.indexOf("=");
      if (equals >= 0 && trimmed(pair.slice(0, equals)) === name) values.push(trimmed(pair.slice(equals + 1)));
    }
  }
  return values;
}

/** Without spaces and tabs around it; other white space is not optional in a header. */
function trimmed(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, "");
}
