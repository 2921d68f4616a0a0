import {
  entryLeaf,
  type KeyChange,
  type PinnedKey,
  type PinnedKeys,
  type ProgramSigner,
  parseKeyChange,
  signKeyChange,
} from "@heauth/core/ledger";
import { type LoggedKeyChange, readKeyChanges, type Tx } from "@heauth/store";
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
  /** Ids of the keys that are in force once `pin` is in the log: only these vouch for what comes after. */
  readonly inForce: ReadonlySet<string>;
  readonly pin: readonly PendingChange[];
  readonly retire: readonly PendingChange[];
}

/**
 * What the tenant's log does not tell yet of the program keys in force.
 * @throws Halt when what is stored of key changes is not what the log holds
 */
export async function pendingKeyChanges(tx: Tx, tenantId: string, keys: ProgramKeys): Promise<PendingChanges> {
  const stored = await readKeyChanges(tx, tenantId);
  const told = new Map(stored.map(readChange).map(({ id, event }) => [id, event]));
  const inForce = (id: string) => keys.inForce?.has(id) ?? true;
  const all = [...keys.pinned.values()];
  const pin = all.filter(({ id }) => inForce(id) && told.get(id) !== "Pinned");
  const before = [...told].filter(([, event]) => event === "Pinned").map(([id]) => id);
  return {
    next: stored.length,
    inForce: new Set([...before, ...pin.map(({ id }) => id)]),
    pin: pin.map((key) => ({ key, event: "Pinned" as const })),
    retire: all
      .filter(({ id }) => !inForce(id) && told.get(id) === "Pinned")
      .map((key) => ({ key, event: "Retired" as const })),
  };
}

/** Signs a change with the operator's key. `at`: µs. */
export function signChange(change: PendingChange, tenantId: string, at: number, operator: ProgramSigner) {
  return signKeyChange({ tenant: tenantId, ...change, at }, operator);
}

function readChange({ number, row, leaf }: LoggedKeyChange, index: number): KeyChange {
  if (row === null) throw new Halt("LogEntryMissing", `key change ${number} is in the log and not there`);
  if (leaf === null || number !== index) throw new Halt("NotLogged", `key change ${number} is not in the log`);
  if (!leaf.equals(entryLeaf({ kind: "key", ...row }))) {
    throw new Halt("LogEntryAltered", `key change ${number} is not the one in the log`);
  }
  return parseKeyChange(row.body);
}
