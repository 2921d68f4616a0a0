import { entryLeaf, Frontier, type LogEntry, signCheckpoint } from "@heauth/core/ledger";
import {
  appendEntries,
  beginLog,
  type Database,
  type EntryName,
  FIRST_EPOCH,
  insertCheckpoint,
  insertKeyChange,
  type LogHead,
  lockLogHead,
  type NamedTenant,
  type QueuedItem,
  raiseLedgerAlert,
  readCheckpoint,
  readSealQueue,
  removeQueued,
  setHalted,
  type Tx,
  takenIn,
} from "@heauth/store";
import type { AnchorStore } from "../../anchor/store.ts";
import { proveAnchor, readAnchor } from "./anchor-check.ts";
import { Halt } from "./halt.ts";
import { type PendingChange, type ProgramKeys, pendingKeyChanges, signChange } from "./key-changes.ts";
import type { ProofMemory } from "./proof-memory.ts";
import { QueueCheck } from "./queue-check.ts";
import { beginEpoch, fittingRecovery, isRecoverable } from "./recover.ts";

/** So many entries go into one transaction, and under one checkpoint. */
export const BATCH = 4096;

export interface SealOptions {
  readonly database: Database;
  readonly anchors: AnchorStore;
  readonly keys: ProgramKeys;
  /** What this run of the sealer has proved; without it each log is proved anew each time. */
  readonly memory?: ProofMemory;
  /** µs since the Unix epoch. */
  readonly now: () => number;
}

export type SealOutcome =
  | { readonly kind: "Sealed"; readonly size: number; readonly more: boolean }
  /** There was nothing to append. */
  | { readonly kind: "Unchanged"; readonly size: number }
  | { readonly kind: "Halted"; readonly why: string }
  /** There is no such tenant any more. */
  | { readonly kind: "Gone" };

/** `note`: what the anchor is to be. `proved`: what is known of the log once the transaction is committed. */
type Result = {
  readonly outcome: SealOutcome;
  readonly note?: string | undefined;
  readonly proved?: Parameters<ProofMemory["proved"]>[1];
};

type Entry = EntryName & { readonly leaf: Uint8Array };

/**
 * Appends what waits to a tenant's log, signs a checkpoint, and moves the anchor. Before that it proves that the log goes on from
 * the anchor; and each entry is checked. What may not go in halts the log, with an alert, until it is put right. A log that does not
 * go on from its anchor is recovered where somebody who may has said so.
 * @throws OperatorError AnchorUnavailable, and what the database throws: then nothing was appended
 */
export async function sealTenant(options: SealOptions, tenant: NamedTenant): Promise<SealOutcome> {
  const { database, anchors, memory } = options;
  const anchor = await anchors.read(tenant);
  const { outcome, note, proved } = await database
    .tenantTransaction(tenant.id, (tx) => seal(tx, options, tenant.id, anchor))
    .catch((error: unknown) => inTheWay(options, tenant.id, error));
  if (proved !== undefined) memory?.proved(tenant.id, proved);
  if (note !== undefined && note !== anchor) await anchors.write(tenant, note);
  return outcome;
}

/** Nobody else appends to a log whose head is locked: a row that is in the way of its next entries was put there. */
async function inTheWay({ database, now }: SealOptions, tenantId: string, error: unknown): Promise<Result> {
  const constraint = takenIn(error);
  if (constraint === undefined) throw error;
  const halt = new Halt("Duplicate", `the log's next entries are there already (${constraint})`);
  await database.tenantTransaction(tenantId, async (tx) => {
    const head = await headOf(tx, tenantId);
    if (head !== undefined) await noteHalt(tx, tenantId, head, halt, now());
  });
  return { outcome: { kind: "Halted", why: halt.message } };
}

async function seal(tx: Tx, options: SealOptions, tenantId: string, anchor: string | undefined): Promise<Result> {
  const head = await headOf(tx, tenantId);
  if (head === undefined) return { outcome: { kind: "Gone" } };
  try {
    return await extend(tx, options, tenantId, head, anchor);
  } catch (error) {
    if (!(error instanceof Halt)) throw error;
    const result = await recover(tx, options, tenantId, head, anchor, error);
    if (!(result instanceof Halt)) return result;
    await noteHalt(tx, tenantId, head, result, options.now());
    return { outcome: { kind: "Halted", why: result.message } };
  }
}

/** @throws Halt before anything is appended */
async function extend(
  tx: Tx,
  options: SealOptions,
  tenantId: string,
  head: LogHead,
  note: string | undefined,
): Promise<Result> {
  const { keys, memory } = options;
  const anchor = await proveAnchor(tx, tenantId, head, note, { pinned: keys.pinned, memory });
  // The first anchor is of the empty log: from then on a log without an anchor is one that lost it.
  if (anchor === undefined) {
    const proved = { anchor: head, head, next: head };
    return { outcome: { kind: "Sealed", size: 0, more: true }, note: noteOf(options, tenantId, head), proved };
  }
  const batch = await gather(tx, options, tenantId);
  if (batch.entries.length === 0) {
    if (batch.halt !== undefined) throw batch.halt;
    if (head.halted !== null) await setHalted(tx, tenantId, null);
    // An anchor that could not be written last time is caught up with.
    const newest = await readCheckpoint(tx, tenantId, head);
    return { outcome: { kind: "Unchanged", size: head.size }, note: newest, proved: { anchor, head, next: head } };
  }
  const next = await append(tx, tenantId, head, batch);
  const done = { note: await sign(tx, options, tenantId, next), proved: { anchor, head, next } };
  if (batch.halt !== undefined) {
    await noteHalt(tx, tenantId, head, batch.halt, options.now());
    return { outcome: { kind: "Halted", why: batch.halt.message }, ...done };
  }
  if (head.halted !== null) await setHalted(tx, tenantId, null);
  return { outcome: { kind: "Sealed", size: next.size, more: batch.more }, ...done };
}

/** @returns why the log stays halted, if it is not to be recovered */
async function recover(
  tx: Tx,
  options: SealOptions,
  tenantId: string,
  head: LogHead,
  note: string | undefined,
  halt: Halt,
): Promise<Result | Halt> {
  if (!isRecoverable(halt)) return halt;
  try {
    const { keys, now } = options;
    const readable = note !== undefined && halt.finding !== "AnchorInvalid";
    const anchor = readable ? readAnchor(note, tenantId, keys.pinned) : undefined;
    const fitting = await fittingRecovery(tx, tenantId, head, anchor, keys);
    if (fitting === undefined) return halt;
    const next = await beginEpoch(tx, tenantId, head, fitting, now());
    const signed = await sign(tx, options, tenantId, next);
    const proved = { anchor: anchor ?? next, head: next, next };
    return { outcome: { kind: "Sealed", size: next.size, more: true }, note: signed, proved };
  } catch (error) {
    if (error instanceof Halt) return error;
    throw error;
  }
}

async function headOf(tx: Tx, tenantId: string): Promise<LogHead | undefined> {
  const stored = await lockLogHead(tx, tenantId);
  if (stored !== undefined) return stored;
  const empty = Frontier.empty();
  const head = { epoch: FIRST_EPOCH, size: 0, root: Buffer.from(empty.root()), frontier: empty.toBytes() };
  await beginLog(tx, tenantId, head);
  return await lockLogHead(tx, tenantId);
}

interface Batch {
  readonly entries: Entry[];
  readonly queueIds: number[];
  readonly more: boolean;
  readonly halt: Halt | undefined;
}

/** Keys that come into force go before what they vouch for, keys that go out of it after everything that waits. */
async function gather(tx: Tx, { keys, now }: SealOptions, tenantId: string): Promise<Batch> {
  const changes = await pendingKeyChanges(tx, tenantId, keys);
  const entries: Entry[] = [];
  let number = changes.next;
  const change = async (pending: PendingChange) => {
    const signed = signChange(pending, tenantId, now(), keys.operator);
    await insertKeyChange(tx, tenantId, number, signed);
    entries.push({ kind: "key", journal: null, number, leaf: entryLeaf({ kind: "key", ...signed }) });
    number++;
  };
  for (const pending of changes.pin) await change(pending);

  const queued = await readSealQueue(tx, tenantId, BATCH);
  const check = new QueueCheck(tx, tenantId, keys.pinned, changes.inForce);
  const queueIds: number[] = [];
  for (const item of queued) {
    try {
      entries.push(named(item, await check.entry(item)));
    } catch (error) {
      if (!(error instanceof Halt)) throw error;
      return { entries, queueIds, more: false, halt: error };
    }
    queueIds.push(item.queueId);
  }
  if (queued.length < BATCH) for (const pending of changes.retire) await change(pending);
  return { entries, queueIds, more: queued.length === BATCH, halt: undefined };
}

function named(item: QueuedItem, entry: LogEntry): Entry {
  const journal = item.kind === "block" ? null : item.journal;
  const number = item.kind === "registration" ? null : item.number;
  return { kind: item.kind, journal, number, leaf: entryLeaf(entry) };
}

async function append(tx: Tx, tenantId: string, head: LogHead, { entries, queueIds }: Batch): Promise<LogHead> {
  const tree = Frontier.of(head.size, head.frontier);
  for (const { leaf } of entries) tree.append(leaf);
  const next = { ...head, size: tree.size, root: Buffer.from(tree.root()), frontier: tree.toBytes() };
  await appendEntries(tx, tenantId, head, next, entries);
  await removeQueued(tx, tenantId, queueIds);
  return next;
}

/** Entries and their checkpoint are committed at once. */
async function sign(tx: Tx, options: SealOptions, tenantId: string, head: LogHead): Promise<string> {
  const note = noteOf(options, tenantId, head);
  await insertCheckpoint(tx, tenantId, { epoch: head.epoch, size: head.size, note });
  return note;
}

function noteOf({ keys }: SealOptions, tenant: string, { epoch, size, root }: LogHead): string {
  return signCheckpoint({ tenant, epoch, size, root }, keys.operator);
}

/** Alerts once for each new reason to stop. */
async function noteHalt(tx: Tx, tenantId: string, head: LogHead, halt: Halt, at: number): Promise<void> {
  if (head.halted === halt.message) return;
  await setHalted(tx, tenantId, halt.message);
  const alert = { reason: "LedgerHalted", key: halt.finding, finding: halt.message, at } as const;
  await raiseLedgerAlert(tx, tenantId, alert);
}
