import { rawPublicKey } from "../ed25519.ts";
import { LedgerError } from "../errors.ts";
import { isUuid } from "../guards.ts";
import { HASH_BYTES } from "../hash.ts";
import type { PinnedKeys, ProgramSigner } from "../keys.ts";
import { parseNote, signNote, verifyNote } from "./note.ts";

/** A tenant log's head. `epoch` counts from 0; a recovery begins a new one. */
export type Checkpoint = {
  readonly tenant: string;
  readonly epoch: number;
  readonly size: number;
  readonly root: Uint8Array;
};

/** `heauth.io/ledger/<tenant id>/<epoch>` (C2SP tlog-checkpoint: the origin line). */
export function checkpointOrigin(tenant: string, epoch: number): string {
  return `heauth.io/ledger/${tenant}/${epoch}`;
}

function keyName(id: string): string {
  return `heauth-${id}`;
}

/** The signed note; the operator's program key signs. */
export function signCheckpoint(checkpoint: Checkpoint, operator: ProgramSigner): string {
  const { tenant, epoch, size, root } = checkpoint;
  const text = `${checkpointOrigin(tenant, epoch)}\n${size}\n${Buffer.from(root).toString("base64")}\n`;
  readText(text);
  return signNote(text, {
    name: keyName(operator.id),
    publicKey: operator.publicKey,
    signBytes: (bytes) => operator.signBytes(bytes),
  });
}

const ORIGIN = /^heauth\.io\/ledger\/([^/]+)\/(0|[1-9][0-9]{0,15})$/;
const NUMBER = /^(0|[1-9][0-9]{0,15})$/;

function readText(text: string): Checkpoint {
  const [origin, size, root, ...extensions] = text.slice(0, -1).split("\n");
  const [, tenant, epoch] = ORIGIN.exec(origin ?? "") ?? [];
  if (!isUuid(tenant) || !Number.isSafeInteger(Number(epoch)))
    throw new LedgerError("NoteInvalid", "not a heauth checkpoint");
  if (size === undefined || !NUMBER.test(size) || !Number.isSafeInteger(Number(size))) {
    throw new LedgerError("NoteInvalid", "checkpoint: size is not a number");
  }
  const hash = Buffer.from(root ?? "", "base64");
  if (hash.length !== HASH_BYTES || hash.toString("base64") !== root) {
    throw new LedgerError("NoteInvalid", "checkpoint: root is not a hash");
  }
  if (extensions.some((line) => line === ""))
    throw new LedgerError("NoteInvalid", "checkpoint: an empty extension line");
  return { tenant, epoch: Number(epoch), size: Number(size), root: hash };
}

/**
 * Reads a checkpoint without asking who signed it.
 * @throws LedgerError NoteInvalid
 */
export function parseCheckpoint(note: string): Checkpoint {
  return readText(parseNote(note).text);
}

/**
 * Reads a checkpoint that a pinned key of the operator's signed.
 * @throws LedgerError NoteInvalid, SignatureInvalid, KeyInvalid (signed by no pinned key of the operator's)
 */
export function verifyCheckpoint(note: string, pinned: PinnedKeys): Checkpoint {
  const parsed = parseNote(note);
  const checkpoint = readText(parsed.text);
  const known = [...pinned.values()]
    .filter(({ program }) => program === "operator")
    .map(({ id, key }) => ({ name: keyName(id), publicKey: rawPublicKey(key) }));
  if (verifyNote(parsed, known).length === 0) {
    throw new LedgerError("KeyInvalid", "checkpoint: signed by no pinned key of the operator");
  }
  return checkpoint;
}
