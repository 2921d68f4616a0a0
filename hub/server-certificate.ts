import { X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { createRotatingFiles, type Logger, type RotatingFiles } from "@heauth/program";
import type { ServerIdentity } from "@heauth/protocol";

export interface ServerCertificate extends ServerIdentity {
  /** ms since the Unix epoch. */
  readonly expiresAtMs: number;
}

/** A server's certificate (PEM, with its chain) and key, read again when they are renewed; a pair that does not fit is not taken. */
export function createServerCertificate(options: {
  certificateFile: string;
  keyFile: string;
  log: Logger;
}): RotatingFiles<ServerCertificate> {
  const { certificateFile, keyFile, log } = options;
  return createRotatingFiles({ name: "TLS certificate", files: [certificateFile, keyFile], parse: parsePair, log });
}

function parsePair([certificate = Buffer.of(), privateKey = Buffer.of()]: readonly Buffer[]): ServerCertificate {
  createSecureContext({ cert: certificate, key: privateKey });
  return { certificate, privateKey, expiresAtMs: new X509Certificate(certificate).validToDate.getTime() };
}
