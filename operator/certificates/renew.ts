import { type CertificateSet, trustBundle } from "./certificate-set.ts";
import { issueAuthority, issueLeaf } from "./issue.ts";
import { isGoodAt, parsedCertificate, validityOf } from "./pair.ts";

export interface RenewOptions {
  readonly nowMs: number;
  /** DNS names that callers use. */
  readonly names: readonly string[];
  /** The bundle that every caller trusts by now; undefined while that is not known. */
  readonly trusted: string | undefined;
}

/** Life after which a certificate is renewed. */
const RENEW_AFTER = 2 / 3;

/**
 * What is to be used from now on; the same object when nothing is to be done. A leaf is shown only once its authority is trusted, and
 * an authority is trusted until everything that it signed has expired: callers never meet one that they can't check, unless
 * everything has expired already.
 */
export async function renewed(held: CertificateSet | undefined, options: RenewOptions): Promise<CertificateSet> {
  const { nowMs, names, trusted } = options;
  let set = held;

  // 1. Nothing, or nothing that anybody would accept: from the beginning, with the next authority if there is one.
  if (set === undefined || !isGoodAt(set.authority.certificate, nowMs)) {
    const next = set?.next;
    const authority = next !== undefined && isGoodAt(next.certificate, nowMs) ? next : await issueAuthority(nowMs);
    return { authority, leaf: await issueLeaf(authority, names, nowMs) };
  }
  // 2. The next authority can sign, because everybody trusts it by now.
  if (set.next !== undefined && isGoodAt(set.next.certificate, nowMs) && trusted === trustBundle(set)) {
    const former = { certificate: set.authority.certificate, leaf: set.leaf.certificate };
    set = { authority: set.next, leaf: await issueLeaf(set.next, names, nowMs), former };
  }
  // 3. Nothing that the former authority signed can be in use any more.
  if (set.former !== undefined && !isGoodAt(set.former.leaf, nowMs)) {
    const { former: _, ...rest } = set;
    set = rest;
  }
  // 4. Long before the authority expires the next one is made known.
  if (set.next === undefined && isDue(set.authority.certificate, nowMs)) {
    set = { ...set, next: await issueAuthority(nowMs) };
  }
  // 5. The leaf.
  if (isDue(set.leaf.certificate, nowMs) || !isFor(set.leaf.certificate, names)) {
    set = { ...set, leaf: await issueLeaf(set.authority, names, nowMs) };
  }
  return set;
}

/** Also what is not good yet: a clock was set back, or is behind. */
function isDue(pem: string, nowMs: number): boolean {
  const { fromMs, untilMs } = validityOf(pem);
  return nowMs < fromMs || nowMs >= fromMs + (untilMs - fromMs) * RENEW_AFTER;
}

function isFor(pem: string, names: readonly string[]): boolean {
  return names.every((name) => parsedCertificate(pem)?.checkHost(name) !== undefined);
}
