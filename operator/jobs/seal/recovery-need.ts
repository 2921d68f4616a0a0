import type { Checkpoint, PinnedKeys } from "@heauth/core/ledger";
import { type LogHead, readLogHead, type Tx } from "@heauth/store";
import { proveAnchor, readAnchor } from "./anchor-check.ts";
import { Halt } from "./halt.ts";
import { proveLog } from "./log-proof.ts";
import { isRecoverable } from "./recover.ts";

/** What the sealer would make of a log and an anchor. */
export type RecoveryNeed =
  /** There is nothing to recover from. */
  | { readonly kind: "None" }
  /** The log itself can't be proven: a recovery would not be taken up. */
  | { readonly kind: "Damaged"; readonly why: string }
  | {
      readonly kind: "Needed";
      readonly finding: string;
      readonly why: string;
      readonly head: LogHead;
      /** Undefined when there is none, or none that can be relied on. */
      readonly anchor: Checkpoint | undefined;
    };

/**
 * Whether a log needs a recovery to go on. Nothing is changed; reads every leaf.
 * @param note the anchor; undefined when there is none
 */
export async function recoveryNeed(
  tx: Tx,
  tenantId: string,
  note: string | undefined,
  pinned: PinnedKeys,
): Promise<RecoveryNeed> {
  const head = await readLogHead(tx, tenantId);
  if (head === undefined) return { kind: "None" };
  const halt = await haltOf(() => proveAnchor(tx, tenantId, head, note, { pinned }));
  if (halt === undefined) return { kind: "None" };
  if (!isRecoverable(halt)) return { kind: "Damaged", why: halt.message };
  const damage = await haltOf(() => proveLog(tx, tenantId, head, [], pinned));
  if (damage !== undefined) return { kind: "Damaged", why: damage.message };
  const readable = note !== undefined && halt.finding !== "AnchorInvalid";
  const anchor = readable ? readAnchor(note, tenantId, pinned) : undefined;
  return { kind: "Needed", finding: halt.finding, why: halt.message, head, anchor };
}

async function haltOf(prove: () => Promise<unknown>): Promise<Halt | undefined> {
  try {
    await prove();
    return undefined;
  } catch (error) {
    if (error instanceof Halt) return error;
    throw error;
  }
}
