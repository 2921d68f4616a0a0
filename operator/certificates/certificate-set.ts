import { createPrivateKey, type KeyObject } from "node:crypto";
import { type Pair, parsedCertificate } from "./pair.ts";

/** What a server shows, and who vouches for it. */
export interface CertificateSet {
  /** What is shown to callers, vouched for by `authority`. */
  readonly leaf: Pair;
  /** Signs leaves now. */
  readonly authority: Pair;
  /** Trusted already, so that it can sign the next leaf; it has signed nothing yet. */
  readonly next?: Pair;
  /** Signed leaves before `authority` did: trusted for as long as the last of them could be shown. Its key is gone. */
  readonly former?: { readonly certificate: string; readonly leaf: string };
}

/** Every authority that callers must trust, PEM. */
export function trustBundle({ authority, next, former }: CertificateSet): string {
  return [authority.certificate, next?.certificate, former?.certificate].filter((each) => each !== undefined).join("");
}

const keys = {
  leaf: { certificate: "tls.crt", key: "tls.key" },
  authority: { certificate: "ca.crt", key: "ca.key" },
  next: { certificate: "next-ca.crt", key: "next-ca.key" },
  former: { certificate: "former-ca.crt", leaf: "former-tls.crt" },
} as const;

/** The set as a Secret's data; `null` for keys that it has no value for, as a merge patch deletes them. */
export function toSecretData(set: CertificateSet): Record<string, string | null> {
  const encoded = (text: string | undefined) => (text === undefined ? null : Buffer.from(text).toString("base64"));
  return {
    [keys.leaf.certificate]: encoded(set.leaf.certificate),
    [keys.leaf.key]: encoded(set.leaf.key),
    [keys.authority.certificate]: encoded(set.authority.certificate),
    [keys.authority.key]: encoded(set.authority.key),
    [keys.next.certificate]: encoded(set.next?.certificate),
    [keys.next.key]: encoded(set.next?.key),
    [keys.former.certificate]: encoded(set.former?.certificate),
    [keys.former.leaf]: encoded(set.former?.leaf),
  };
}

/** Reads a Secret's data back; undefined when what is needed is not there or does not belong together, whatever its age. */
export function fromSecretData(data: Readonly<Record<string, string>> = {}): CertificateSet | undefined {
  const text = (key: string) => Buffer.from(data[key] ?? "", "base64").toString();
  const pair = (names: { certificate: string; key: string }) => ({
    certificate: text(names.certificate),
    key: text(names.key),
  });
  const [leaf, authority, next] = [pair(keys.leaf), pair(keys.authority), pair(keys.next)];
  if (!isAuthority(authority) || !isPair(leaf) || !hasIssued(authority.certificate, leaf.certificate)) return undefined;
  const former = { certificate: text(keys.former.certificate), leaf: text(keys.former.leaf) };
  return {
    leaf,
    authority,
    ...(isAuthority(next) && { next }),
    ...(hasIssued(former.certificate, former.leaf) && { former }),
  };
}

function isAuthority(pair: Pair): boolean {
  return isPair(pair) && parsedCertificate(pair.certificate)?.ca === true;
}

function isPair({ certificate, key }: Pair): boolean {
  const privateKey = parsedKey(key);
  return privateKey !== undefined && parsedCertificate(certificate)?.checkPrivateKey(privateKey) === true;
}

function parsedKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

function hasIssued(authority: string, leaf: string): boolean {
  const issuer = parsedCertificate(authority);
  const issued = parsedCertificate(leaf);
  if (issuer === undefined || issued === undefined) return false;
  return issued.checkIssued(issuer) && issued.verify(issuer.publicKey);
}
