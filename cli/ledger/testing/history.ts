import { AnchorFiles, closeBlocks, type SealOutcome, sealTenant } from "@heauth/operator";
import { insertSegments, LedgerWriter, noteWatermark, type RecordDraft, revokeSessions } from "@heauth/store";
import {
  decision,
  insertSession,
  insertTenant,
  openingOf,
  type TestDatabase,
  TestJournal,
  testKeys,
} from "@heauth/store/testing";

export const TENANT = "acme";
export const keys = testKeys();

/** An honest ledger, made by the programs' own functions. */
export interface History {
  readonly tenantId: string;
  /** Of a sidecar: three segments, of which number 1 has the late records' neighbours. */
  readonly journal: string;
  readonly closedSession: string;
  readonly openSession: string;
  /** Log entries: of that journal's registration and segment 1, and of the block. */
  readonly index: { readonly registration: number; readonly segment: number; readonly block: number };
  /** The oldest anchor that was kept, and the newest. */
  readonly anchors: readonly [string, string];
}

/**
 * Two users log in, a sidecar records what they do, one logs out, his block is closed, his token is tried again, the block is
 * amended. Sealed after each step, and in the end all but the last record.
 */
export async function makeHistory(store: TestDatabase, folder: string): Promise<History> {
  const [identity, hub, operator] = await Promise.all([
    store.database("heauth_identity"),
    store.database("heauth_hub"),
    store.database("heauth_operator"),
  ]);
  const tenantId = await insertTenant(store.superuser, TENANT);
  const anchors = new AnchorFiles(folder);
  const seal = async () => {
    let outcome: SealOutcome;
    do {
      const options = { database: operator, anchors, keys: { operator: keys.operator, pinned: keys.pinned } };
      outcome = await sealTenant({ ...options, now: () => Date.now() * 1000 }, { id: tenantId, name: TENANT });
    } while (outcome.kind === "Sealed" && outcome.more);
    if (outcome.kind === "Halted") throw new Error(outcome.why);
    return (await anchors.read({ name: TENANT })) ?? "";
  };

  const writer = new LedgerWriter({ program: "identity", programKey: keys.identity });
  const say = (...records: RecordDraft[]) =>
    identity.tenantTransaction(tenantId, (tx) => writer.append(tx, tenantId, records));
  const closing = await insertSession(store.superuser, keys, tenantId);
  const staying = await insertSession(store.superuser, keys, tenantId);
  await say({ type: "identity.user-created", private: { login: "ada", email: "ada@acme.test" } });
  await say({ ...openingOf(closing), private: { login: "ada" } });
  await say({ ...openingOf(staying), private: { login: "bob" } });

  const journal = new TestJournal(tenantId, keys.hub);
  const ship = async (...records: RecordDraft[]) => {
    const segment = journal.seal(...records);
    await hub.transaction((tx) => insertSegments(tx, tenantId, journal.id, [segment]));
  };
  await hub.transaction((tx) => journal.register(tx, keys.hub));
  await ship(decision(closing.id), decision(undefined), decision(staying.id), decision(closing.id));
  const oldest = await seal();
  await ship(decision(staying.id), decision(closing.id, { decision: "Deny", reason: "RoleMissing" }));
  const logout = { tenantId, sessionIds: [closing.id], reason: "Logout" } as const;
  await identity.tenantTransaction(tenantId, (tx) => revokeSessions(tx, writer, logout));
  await hub.transaction((tx) => noteWatermark(tx, tenantId, journal.id, 1));
  const recorder = new LedgerWriter({ program: "operator", programKey: keys.operator });
  const onFailure = (_session: object, error: unknown) => {
    throw error;
  };
  await closeBlocks({ database: operator, recorder, onFailure });
  await seal();
  await ship(decision(closing.id, { decision: "Deny", reason: "SessionClosed" }), decision(staying.id));
  await closeBlocks({ database: operator, recorder, onFailure, amendAfterMs: 0 });
  const newest = await seal();
  const indexOf = async (kind: string, number: number | null, of: string | null) => {
    const [entry] = await store.superuser.query<{ index: number }>(
      `SELECT index FROM log_entry WHERE tenant_id = $1 AND kind = $2 AND number IS NOT DISTINCT FROM $3
          AND journal_id IS NOT DISTINCT FROM $4`,
      [tenantId, kind, number, of],
    );
    if (entry === undefined) throw new Error(`no ${kind} in the log`);
    return entry.index;
  };
  return {
    tenantId,
    journal: journal.id,
    index: {
      registration: await indexOf("registration", null, journal.id),
      segment: await indexOf("segment", 1, journal.id),
      block: await indexOf("block", 0, null),
    },
    closedSession: closing.id,
    openSession: staying.id,
    anchors: [oldest, newest],
  };
}
