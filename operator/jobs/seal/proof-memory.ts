import type { LogHead } from "@heauth/store";

/** A log's head, or what an anchor says of one. */
export type Head = Pick<LogHead, "epoch" | "size"> & { readonly root: Uint8Array };

interface Known {
  readonly head: Head;
  /** Heads that the log is proven to go on from, oldest first. */
  readonly proven: ReadonlySet<string>;
}

/** Anchors lag by half a minute, unless the operator was told otherwise, and logs are sealed once a second. */
const MOST_PROVEN = 64;
const MOST_TENANTS = 10_000;

/**
 * What one run of the sealer has proved and signed: where each log stood when it was last seen, and which anchors that is known to
 * go on from. What is not remembered is proved anew.
 */
export class ProofMemory {
  readonly #tenants = new Map<string, Known>();

  /** Where the log was left. */
  headOf(tenantId: string): Head | undefined {
    return this.#tenants.get(tenantId)?.head;
  }

  /** Is the log exactly as it was left, and known to go on from the anchor? */
  covers(tenantId: string, head: Head, anchor: Head): boolean {
    const known = this.#tenants.get(tenantId);
    return known !== undefined && keyOf(known.head) === keyOf(head) && known.proven.has(keyOf(anchor));
  }

  /** There is no such log any more. */
  forget(tenantId: string): void {
    this.#tenants.delete(tenantId);
  }

  /** The log was proven at `head` to go on from the anchor, and stands at `next` now. To be told after the commit only. */
  proved(
    tenantId: string,
    { anchor, head, next }: { readonly anchor: Head; readonly head: Head; readonly next: Head },
  ) {
    const known = this.#tenants.get(tenantId);
    const before = known !== undefined && keyOf(known.head) === keyOf(head) ? [...known.proven] : [];
    // Anchors only advance: what is older than this one is not asked for again.
    const newer = before.slice(before.indexOf(keyOf(anchor)) + 1);
    const [first, ...rest] = new Set([keyOf(anchor), ...newer, keyOf(head), keyOf(next)]);
    const proven = new Set([first as string, ...rest.slice(-(MOST_PROVEN - 1))]);
    this.#tenants.delete(tenantId);
    this.#tenants.set(tenantId, { head: kept(next), proven });
    const [oldest] = this.#tenants.keys();
    if (this.#tenants.size > MOST_TENANTS && oldest !== undefined) this.#tenants.delete(oldest);
  }
}

/** By itself: bytes that came from the database are a piece of all that was read with them. */
function kept({ epoch, size, root }: Head): Head {
  return { epoch, size, root: Uint8Array.from(root) };
}

function keyOf({ epoch, size, root }: Head): string {
  return `${epoch}/${size}/${Buffer.from(root).toString("base64")}`;
}
