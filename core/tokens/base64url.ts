/**
 * Strict base64url without padding (RFC 4648, section 5): undefined for any other alphabet, an impossible length, or set
 * trailing bits, so that bytes have exactly one spelling and no character of a token can change unnoticed.
 */
export function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : undefined;
}
