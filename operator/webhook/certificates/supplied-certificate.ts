import { createPrivateKey } from "node:crypto";
import { createRotatingFiles, type Logger, type RotatingFiles } from "@heauth/program";
import { type Pair, parsedCertificate } from "../../certificates/pair.ts";

/** A certificate that somebody else looks after: two PEM files, read again whenever they are replaced. */
export function createSuppliedCertificate(options: {
  readonly certificate: string;
  readonly key: string;
  readonly log: Logger;
  readonly everyMs?: number;
}): RotatingFiles<Pair> {
  const { certificate, key, ...more } = options;
  return createRotatingFiles({ name: "certificate", files: [certificate, key], parse, ...more });
}

function parse(contents: readonly Buffer[]): Pair {
  const [certificate = "", key = ""] = contents.map(String);
  const parsed = parsedCertificate(certificate);
  if (parsed === undefined) throw new Error("the certificate is not PEM");
  if (!parsed.checkPrivateKey(privateKey(key))) throw new Error("the key is not the certificate's");
  return { certificate, key };
}

function privateKey(pem: string) {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new Error("the key is not a private key in PEM");
  }
}
