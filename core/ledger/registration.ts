import type { KeyObject } from "node:crypto";
import { canonicalBytes } from "./canonical.ts";
import { rawPublicKey, signMessage, verifyMessage } from "./ed25519.ts";
import { LedgerError } from "./errors.ts";
import { isHash, isKeyId, isPod, isUuid, isUuid7, isVersion, isWhole } from "./guards.ts";
import type { KeyProgram, PinnedKeys, ProgramSigner } from "./keys.ts";
import type { RecordType } from "./record/types.ts";
import { listOf, oneOf, optional, parseDocument, required, type Shape } from "./shape.ts";

/** Programs that keep journals. */
export type JournalProgram = "sidecar" | "identity" | "operator" | "cli";

/** What opens a journal. `key` is base64url. */
export type Registration = {
  readonly v: 1;
  readonly tenant: string;
  readonly journal: string;
  readonly key: string;
  readonly program: JournalProgram;
  readonly pod?: string;
  /** µs */
  readonly opened: number;
  /** id of the program key that countersigns */
  readonly registrar: string;
  /** journals of ended processes whose remaining records this journal may sign */
  readonly recovers?: readonly string[];
};

/** A registration's bytes with both signatures. */
export type SignedRegistration = {
  readonly body: Uint8Array;
  readonly possession: Uint8Array;
  readonly countersignature: Uint8Array;
};

const SHAPE: Shape<Registration> = {
  v: required(isVersion),
  tenant: required(isUuid),
  journal: required(isUuid7),
  key: required(isHash),
  program: required(oneOf<JournalProgram>("sidecar", "identity", "operator", "cli")),
  pod: optional(isPod),
  opened: required(isWhole),
  registrar: required(isKeyId),
  recovers: optional(listOf(isUuid7, 1024)),
};

/** The registration's bytes; `key` is the journal's key, of which only the public half goes in. */
export function buildRegistration(fields: Omit<Registration, "v" | "key"> & { readonly key: KeyObject }): Buffer {
  const body = canonicalBytes({ ...fields, v: 1, key: rawPublicKey(fields.key).toString("base64url") });
  parseRegistration(body);
  return body;
}

/** @throws LedgerError DocumentInvalid */
export function parseRegistration(body: Uint8Array): Registration {
  return parseDocument("registration", body, SHAPE);
}

/** The signature of the journal's own key: it holds the key that it names. */
export function signPossession(body: Uint8Array, key: KeyObject): Buffer {
  return signMessage("registration", body, key);
}

/** The program whose key countersigns a program's journals: the hub's for sidecars, else its own. */
export function registrarOf(program: JournalProgram): KeyProgram {
  return program === "sidecar" ? "hub" : program;
}

const HOLDS: Readonly<Record<JournalProgram, readonly string[]>> = {
  sidecar: ["decision", "action"],
  identity: ["session.open", "session.close", "decision", "identity.", "subject.erased"],
  operator: ["session.close", "session.amend", "policy.", "subject.erased", "retention.dropped"],
  cli: ["session.open", "session.close", "identity.", "subject.erased"],
};

/** May a program's journal hold records of this type? */
export function mayHold(program: JournalProgram, type: RecordType): boolean {
  if (type === "gap" || type === "journal.open" || type === "journal.close") return true;
  return HOLDS[program].some((held) => (held.endsWith(".") ? type.startsWith(held) : type === held));
}

/**
 * Does the journal itself hold the key it names? The registrar asks before it countersigns.
 * @throws LedgerError SignatureInvalid, DocumentInvalid
 */
export function verifyPossession(body: Uint8Array, possession: Uint8Array): Registration {
  const registration = parseRegistration(body);
  if (!verifyMessage("registration", body, possession, Buffer.from(registration.key, "base64url"))) {
    throw new LedgerError("SignatureInvalid", "registration: the journal's own signature is not valid");
  }
  return registration;
}

/**
 * The registrar's signature, after it has checked what it signs: possession, and that it is the registrar named.
 * Whether the caller may open that journal (tenant, pod, recovered journals) is for the registrar to know.
 * @throws LedgerError SignatureInvalid, DocumentInvalid, KeyInvalid
 */
export function countersignRegistration(
  body: Uint8Array,
  possession: Uint8Array,
  registrar: ProgramSigner,
): Uint8Array {
  if (verifyPossession(body, possession).registrar !== registrar.id) {
    throw new LedgerError("KeyInvalid", "registration: names another registrar");
  }
  return registrar.sign("registration", body);
}

/**
 * Is the registration signed by its own key and countersigned by the right program's pinned key?
 * @throws LedgerError DocumentInvalid, KeyInvalid (not pinned, or another program's), SignatureInvalid
 */
export function verifyRegistration(signed: SignedRegistration, pinned: PinnedKeys): Registration {
  const registration = parseRegistration(signed.body);
  const registrar = pinned.get(registration.registrar);
  if (registrar === undefined)
    throw new LedgerError("KeyInvalid", `registration: ${registration.registrar} is not pinned`);
  if (registrar.program !== registrarOf(registration.program)) {
    throw new LedgerError(
      "KeyInvalid",
      `registration: ${registrar.id} may not register a journal of ${registration.program}`,
    );
  }
  if (!verifyMessage("registration", signed.body, signed.countersignature, registrar.key)) {
    throw new LedgerError("SignatureInvalid", "registration: the countersignature is not valid");
  }
  return verifyPossession(signed.body, signed.possession);
}
