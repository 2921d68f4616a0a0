import { signedMessage } from "../ed25519.ts";
import { leafHash } from "../hash.ts";
import type { SignedKeyChange } from "../key-change.ts";
import type { SignedRecovery } from "../recovery.ts";
import type { SignedRegistration } from "../registration.ts";

/** What a tenant log holds: documents with their signatures. */
export type LogEntry =
  | ({ readonly kind: "registration" } & SignedRegistration)
  | { readonly kind: "segment"; readonly header: Uint8Array; readonly signature: Uint8Array }
  | { readonly kind: "block"; readonly header: Uint8Array }
  | ({ readonly kind: "key" } & SignedKeyChange)
  | ({ readonly kind: "recovery" } & SignedRecovery);

/** The entry's bytes: the signed message followed by its signatures. */
export function entryBytes(entry: LogEntry): Buffer {
  switch (entry.kind) {
    case "registration":
      return Buffer.concat([signedMessage(entry.kind, entry.body), entry.possession, entry.countersignature]);
    case "segment":
      return Buffer.concat([signedMessage(entry.kind, entry.header), entry.signature]);
    case "block":
      return signedMessage(entry.kind, entry.header);
    case "key":
    case "recovery":
      return Buffer.concat([signedMessage(entry.kind, entry.body), entry.signature]);
  }
}

/** The entry's leaf in the tenant log. */
export function entryLeaf(entry: LogEntry): Buffer {
  return leafHash(entryBytes(entry));
}
