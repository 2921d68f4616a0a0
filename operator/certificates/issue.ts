// @peculiar/x509 reads its decorators through it.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { type Pair, validityOf } from "./pair.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const AUTHORITY_LIFE_MS = 365 * DAY_MS;
const LEAF_LIFE_MS = 90 * DAY_MS;
/** How far the clock of whoever checks may be behind ours. */
const SKEW_MS = HOUR_MS;

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

x509.cryptoProvider.set(webcrypto);

/** A certificate authority of our own. */
export async function issueAuthority(nowMs: number): Promise<Pair> {
  const keys = await generate();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    // Names that differ, so that nobody who checks a leaf has to try several authorities.
    name: `CN=heauth CA ${new Date(nowMs).toISOString()}`,
    keys,
    notBefore: new Date(nowMs - SKEW_MS),
    notAfter: new Date(nowMs + AUTHORITY_LIFE_MS),
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return pair(certificate, keys);
}

/** A certificate for a server with these DNS names; it does not outlive its authority. */
export async function issueLeaf(authority: Pair, names: readonly string[], nowMs: number): Promise<Pair> {
  const keys = await generate();
  const issuer = new x509.X509Certificate(authority.certificate);
  const { untilMs } = validityOf(authority.certificate);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: "CN=heauth",
    issuer: issuer.subject,
    publicKey: keys.publicKey,
    signingKey: await importedKey(authority.key),
    notBefore: new Date(nowMs - SKEW_MS),
    notAfter: new Date(Math.min(nowMs + LEAF_LIFE_MS, untilMs)),
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: "dns", value }))),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return pair(certificate, keys);
}

function generate(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

function importedKey(pem: string): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey("pkcs8", x509.PemConverter.decodeFirst(pem), algorithm, false, ["sign"]);
}

async function pair(certificate: x509.X509Certificate, keys: webcrypto.CryptoKeyPair): Promise<Pair> {
  const der = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    certificate: `${certificate.toString("pem").trim()}\n`,
    key: `${x509.PemConverter.encode(der, "PRIVATE KEY").trim()}\n`,
  };
}
