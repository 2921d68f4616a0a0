import { X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { Logger } from "./logs.ts";
import { createRotatingFiles, type RotatingFiles } from "./rotating-files.ts";

/** What a server shows to who connects by TLS. */
export interface ServerCertificate {
  /** PEM, with its chain. */
  readonly certificate: Buffer;
  /** PEM */
  readonly privateKey: Buffer;
  /** ms since the Unix epoch. */
  readonly expiresAtMs: number;
}

/** A server's certificate and key, read again when they are renewed; a pair that does not fit is not taken. */
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
