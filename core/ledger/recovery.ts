import { canonicalBytes } from "./canonical.ts";
import { verifyMessage } from "./ed25519.ts";
import { LedgerError } from "./errors.ts";
import { isHash, isKeyId, isName, isUuid, isVersion, isWhole } from "./guards.ts";
import { sameBytes } from "./hash.ts";
import type { PinnedKeys, ProgramSigner } from "./keys.ts";
import { type Checkpoint, parseCheckpoint } from "./log/checkpoint.ts";
import { optional, parseDocument, required, type Shape, shaped } from "./shape.ts";

/** A log's head at some moment; `root` is base64url. */
export type StatedHead = { readonly epoch: number; readonly size: number; readonly root: string };

/** What the anchor said: its note, and what stands in it. */
export type StatedAnchor = StatedHead & { readonly note: string };

/** Begins a log's next epoch: somebody with a program key says that the log goes on although its anchor says otherwise. */
export type Recovery = {
  readonly v: 1;
  readonly tenant: string;
  /** the epoch that begins; higher than the log's and the anchor's */
  readonly epoch: number;
  /** µs */
  readonly at: number;
  /** id of the program key that signs: the cli's or the operator's */
  readonly signer: string;
  /** why, in the words of whoever decided it */
  readonly reason: string;
  /** what sealing had stopped for */
  readonly finding: string;
  /** the log that goes on: all of its entries stay, the recovery is the next one */
  readonly log: StatedHead;
  /** what it is not consistent with; absent when there was no anchor, or none that could be relied on */
  readonly anchor?: StatedAnchor;
};

/** A recovery's bytes with the signature of the key that it names. */
export type SignedRecovery = { readonly body: Uint8Array; readonly signature: Uint8Array };

const HEAD: Shape<StatedHead> = { epoch: required(isWhole), size: required(isWhole), root: required(isHash) };

const SHAPE: Shape<Recovery> = {
  v: required(isVersion),
  tenant: required(isUuid),
  epoch: required(isWhole),
  at: required(isWhole),
  signer: required(isKeyId),
  reason: required(isReason),
  finding: required(isName),
  log: required(shaped(HEAD)),
  anchor: optional(shaped<StatedAnchor>({ ...HEAD, note: required(isNote) })),
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses
const REASON = /^[^\u0000-\u001f\u007f]{1,1000}$/u;

/** Free text in one line, at most 1,000 characters. */
export function isReason(value: unknown): value is string {
  return typeof value === "string" && value.isWellFormed() && REASON.test(value);
}

function isNote(value: unknown): value is string {
  return typeof value === "string" && value.length <= 16_384;
}

/** A head as a recovery states it. */
export function statedHead({ epoch, size, root }: Omit<Checkpoint, "tenant">): StatedHead {
  return { epoch, size, root: Buffer.from(root).toString("base64url") };
}

/** Is it the head that was stated? */
export function isStated(head: Omit<Checkpoint, "tenant">, stated: StatedHead): boolean {
  const root = Buffer.from(stated.root, "base64url");
  return head.epoch === stated.epoch && head.size === stated.size && sameBytes(head.root, root);
}

/**
 * How many entries the anchor knew and the log does not have. Undefined where that can't be told: there was no anchor, or the log
 * is as long as the anchor's and has another history.
 */
export function entriesLost({ log, anchor }: Recovery): number | undefined {
  return anchor === undefined || anchor.size <= log.size ? undefined : anchor.size - log.size;
}

/** @throws LedgerError DocumentInvalid, also when the anchor's note does not say what is stated of it */
export function parseRecovery(body: Uint8Array): Recovery {
  const parsed = parseDocument("recovery", body, SHAPE);
  const { log, anchor } = parsed;
  if (parsed.epoch <= Math.max(log.epoch, anchor?.epoch ?? 0)) {
    throw new LedgerError("DocumentInvalid", "recovery: the epoch is not a new one");
  }
  if (anchor !== undefined && !saysSo(anchor, parsed.tenant)) {
    throw new LedgerError("DocumentInvalid", "recovery: the anchor's note says something else");
  }
  return parsed;
}

function saysSo(anchor: StatedAnchor, tenant: string): boolean {
  try {
    const said = parseCheckpoint(anchor.note);
    return said.tenant === tenant && isStated(said, anchor);
  } catch (error) {
    if (error instanceof LedgerError) return false;
    throw error;
  }
}

/**
 * Builds a recovery, signed by a program key of the cli or the operator.
 * @throws LedgerError DocumentInvalid
 */
export function signRecovery(recovery: Omit<Recovery, "v" | "signer">, signer: ProgramSigner): SignedRecovery {
  const body = canonicalBytes({ ...recovery, v: 1, signer: signer.id });
  parseRecovery(body);
  return { body, signature: signer.sign("recovery", body) };
}

/**
 * Is it signed by a pinned key that may recover a log?
 * @throws LedgerError DocumentInvalid, KeyInvalid (not pinned, or another program's), SignatureInvalid
 */
export function verifyRecovery({ body, signature }: SignedRecovery, pinned: PinnedKeys): Recovery {
  const recovery = parseRecovery(body);
  const signer = pinned.get(recovery.signer);
  if (signer === undefined) throw new LedgerError("KeyInvalid", `recovery: ${recovery.signer} is not pinned`);
  if (signer.program !== "cli" && signer.program !== "operator") {
    throw new LedgerError("KeyInvalid", `recovery: ${signer.id} may not recover a log`);
  }
  if (!verifyMessage("recovery", body, signature, signer.key)) {
    throw new LedgerError("SignatureInvalid", "recovery: the signature is not valid");
  }
  return recovery;
}
