import { X509Certificate } from "node:crypto";

/** A certificate and its private key, both PEM. */
export interface Pair {
  readonly certificate: string;
  readonly key: string;
}

/** From when until when a certificate is good; ms since the Unix epoch. */
export interface Validity {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** The first certificate of a PEM text; undefined when there is none. */
export function parsedCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

/** Of a certificate that can be read. */
export function validityOf(pem: string): Validity {
  const { validFromDate, validToDate } = new X509Certificate(pem);
  return { fromMs: validFromDate.getTime(), untilMs: validToDate.getTime() };
}

/** Whether a certificate is good at this moment. */
export function isGoodAt(pem: string, nowMs: number): boolean {
  const { fromMs, untilMs } = validityOf(pem);
  return fromMs <= nowMs && nowMs < untilMs;
}
