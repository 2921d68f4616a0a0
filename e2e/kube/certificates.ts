// @peculiar/x509 reads its decorators through it.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

/** PEM texts. */
export interface ServingCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** A certificate authority that lives as long as a test. */
export interface Authority {
  /** PEM. */
  readonly certificate: string;
  /** A certificate for servers on 127.0.0.1 and localhost. */
  issue(name: string): Promise<ServingCertificate>;
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
    async issue(name) {
      const own = await generate();
      const leaf = await x509.X509CertificateGenerator.create({
        subject: `CN=${name}`,
        issuer: root.subject,
        notBefore,
        notAfter,
        signingKey: keys.privateKey,
        publicKey: own.publicKey,
        signingAlgorithm: algorithm,
        extensions: [
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
          new x509.SubjectAlternativeNameExtension([
            { type: "dns", value: "localhost" },
            { type: "ip", value: "127.0.0.1" },
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
