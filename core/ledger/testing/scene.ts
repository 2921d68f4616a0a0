import type { PinnedKeys } from "../keys.ts";
import type { RecordInput } from "../record/types.ts";
import type { Finding, Verdict } from "../verify/verdict.ts";
import { verifyLedger } from "../verify/verify.ts";
import { MemorySource, type StoredLedger } from "./memory-source.ts";
import type { TestJournal } from "./test-journal.ts";
import { TestLedger } from "./test-ledger.ts";

export function allow(session: string, at = 5): RecordInput {
  return { type: "decision", at, source: "sidecar", session, decision: "Allow" };
}

/** A small honest ledger with one open session, and how to check what somebody made of it. */
export type Scene = {
  readonly ledger: TestLedger;
  readonly identity: TestJournal;
  readonly operator: TestJournal;
  readonly sidecar: TestJournal;
  readonly session: string;
  /** against the newest anchor and the ledger's own keys, unless told otherwise */
  readonly check: (stored: StoredLedger, anchor?: string, pinned?: PinnedKeys) => Promise<Verdict>;
};

/** What a verdict with exactly these findings looks like. */
export function tampered(...findings: readonly (Partial<Finding> & Pick<Finding, "class">)[]): object {
  return { status: "Tampered", findings };
}

export function scene(): Scene {
  const ledger = new TestLedger(7);
  const identity = ledger.openJournal("identity");
  const operator = ledger.openJournal("operator");
  const sidecar = ledger.openJournal("sidecar", { pod: "clinic/app-0" });
  const session = ledger.openSession(identity);
  sidecar.write([{ type: "decision", at: ledger.now(), session, decision: "Allow" }]);
  ledger.seal();
  const check: Scene["check"] = (stored, anchor = ledger.anchor(), pinned = ledger.keys.pinned) =>
    verifyLedger(new MemorySource(stored), pinned, anchor);
  return { ledger, identity, operator, sidecar, session, check };
}
