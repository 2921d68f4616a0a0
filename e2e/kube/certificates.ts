// @peculiar/x509 reads its decorators through it.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

/** PEM texts. */
export interface ServingCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** What a certificate is for, beside a server on 127.0.0.1 and localhost. */
export interface CertificateUse {
  /** DNS names and addresses of the server. */
  readonly names?: readonly string[];
  readonly addresses?: readonly string[];
  /** It is a client's, of a member of this group: Kubernetes reads the organisation so. */
  readonly group?: string;
}

/** A certificate authority that lives as long as a test. */
export interface Authority {
  /** PEM. */
  readonly certificate: string;
  issue(name: string, use?: CertificateUse): Promise<ServingCertificate>;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;

x509.cryptoProvider.set(webcrypto);

export async function createAuthority(): Promise<Authority> {
  const keys = await generate();
  const [notBefore, notAfter] = [new Date(Date.now() - DAY_MS), new Date(Date.now() + DAY_MS)];
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=heauth tests",
    keys,
    notBefore,
    notAfter,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  });
  return {
    certificate: `${root.toString("pem")}\n`,
    async issue(name, { names = [], addresses = [], group } = {}) {
      const own = await generate();
      const leaf = await x509.X509CertificateGenerator.create({
        subject: group === undefined ? `CN=${name}` : `O=${group}, CN=${name}`,
        issuer: root.subject,
        notBefore,
        notAfter,
        signingKey: keys.privateKey,
        publicKey: own.publicKey,
        signingAlgorithm: algorithm,
        extensions: [
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([
            group === undefined ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth,
          ]),
          new x509.SubjectAlternativeNameExtension([
            ...["localhost", ...names].map((value) => ({ type: "dns" as const, value })),
            ...["127.0.0.1", ...addresses].map((value) => ({ type: "ip" as const, value })),
          ]),
        ],
      });
      return { certificate: `${leaf.toString("pem")}\n`, key: await privatePem(own.privateKey) };
    },
  };
}

function generate(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey("pkcs8", key);
  return `${x509.PemConverter.encode(der, "PRIVATE KEY")}\n`;
}
