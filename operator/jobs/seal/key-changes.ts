import {
  type KeyChange,
  LedgerError,
  type PinnedKey,
  type PinnedKeys,
  type ProgramSigner,
  parseKeyChange,
  signKeyChange,
} from "@heauth/core/ledger";
import { readKeyChanges, type Tx } from "@heauth/store";
import { Halt } from "./halt.ts";

/** Program keys: the operator's own, those that others are known by, and which of them are in force. */
export interface ProgramKeys {
  readonly operator: ProgramSigner;
  /** Retired ones too, for what they signed. */
  readonly pinned: PinnedKeys;
  /** Ids; all of them unless given. */
  readonly inForce?: ReadonlySet<string>;
}

export interface PendingChange {
  readonly key: PinnedKey;
  readonly event: KeyChange["event"];
}

export interface PendingChanges {
  /** The number of the next key change. */
  readonly next: number;
  readonly pin: readonly PendingChange[];
  readonly retire: readonly PendingChange[];
}

/** What the tenant's log does not tell yet of the program keys in force. */
export async function pendingKeyChanges(tx: Tx, tenantId: string, keys: ProgramKeys): Promise<PendingChanges> {
  const stored = await readKeyChanges(tx, tenantId);
  const told = new Map(stored.map(({ body }) => readChange(body)).map(({ id, event }) => [id, event]));
  const inForce = (id: string) => keys.inForce?.has(id) ?? true;
  const all = [...keys.pinned.values()];
  return {
    next: stored.length,
    pin: all
      .filter(({ id }) => inForce(id) && told.get(id) !== "Pinned")
      .map((key) => ({ key, event: "Pinned" as const })),
    retire: all
      .filter(({ id }) => !inForce(id) && told.get(id) === "Pinned")
      .map((key) => ({ key, event: "Retired" as const })),
  };
}

/** Signs a change with the operator's key. `at`: µs. */
export function signChange(change: PendingChange, tenantId: string, at: number, operator: ProgramSigner) {
  return signKeyChange({ tenant: tenantId, ...change, at }, operator);
}

function readChange(body: Uint8Array): KeyChange {
  try {
    return parseKeyChange(body);
  } catch (error) {
    if (error instanceof LedgerError) throw new Halt("HeaderAltered", `a key change: ${error.message}`);
    throw error;
  }
}
