import type { KeyObject } from "node:crypto";
import { parsePinnedKeys } from "@heauth/core/ledger";
import { createRotatingFiles, type Logger, type RotatingFiles } from "@heauth/program";
import type { SessionCache } from "./sessions/index.ts";

/** Identity's pinned program keys, by id. */
export type IdentityKeys = ReadonlyMap<string, KeyObject>;

/** Identity's among the keys of a `ledger-keys.json`; read again when the file is replaced. A file without any is no good. */
export function createIdentityKeys({ file, log }: { file: string; log: Logger }): RotatingFiles<IdentityKeys> {
  return createRotatingFiles({ name: "file of identity's keys", files: [file], parse, log });
}

function parse([text]: readonly Buffer[]): IdentityKeys {
  const pinned = [...parsePinnedKeys(String(text)).values()].filter(({ program }) => program === "identity");
  if (pinned.length === 0) throw new Error("no key of identity's is in it");
  return new Map(pinned.map(({ id, key }) => [id, key]));
}

/** Has sessions verified again when a key that was trusted is trusted no more; a new one takes nothing from anybody. */
export function distrustLost(keys: RotatingFiles<IdentityKeys>, sessions: Pick<SessionCache, "distrust">): void {
  keys.subscribe((now, before) => {
    if ([...before].some(([id, key]) => now.get(id)?.equals(key) !== true)) sessions.distrust();
  });
}
