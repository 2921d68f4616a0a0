import { buildBlockHeader, sha256 } from "@heauth/core/ledger";
import { insertSegments, type Tx } from "@heauth/store";
import { decision, TestJournal } from "@heauth/store/testing";
import { type History, keys } from "./history.ts";

/** A sidecar's journal with a segment, taken in and not sealed yet. */
export async function shipOne(tx: Tx, history: History): Promise<TestJournal> {
  const journal = new TestJournal(history.tenantId, keys.hub, { pod: "shop/web-7" });
  await journal.register(tx, keys.hub);
  await insertSegments(tx, history.tenantId, journal.id, [journal.seal(decision(history.openSession))]);
  return journal;
}

/** A well-formed block of the session that is still open, in its row and in the queue for the log. */
export async function putBlockIn(tx: Tx, history: History): Promise<void> {
  const [last] = await tx.query<{ header: Buffer }>("SELECT header FROM closed_block WHERE tenant_id = $1", [
    history.tenantId,
  ]);
  const [part] = await tx.query<{ leaves: Buffer }>(
    "SELECT leaves FROM segment_session WHERE session_id = $1 AND journal_id = $2 AND number = 0",
    [history.openSession, history.journal],
  );
  const journals = [{ journal: history.journal, first: 0, last: 0, leaves: [part?.leaves ?? Buffer.alloc(32)] }];
  const header = buildBlockHeader({
    tenant: history.tenantId,
    number: 1,
    session: history.openSession,
    opened: 1,
    closed: 2,
    reason: "Logout",
    journals,
    previous: sha256(last?.header ?? Buffer.alloc(0)),
  });
  await tx.query(
    `INSERT INTO closed_block (tenant_id, number, session_id, header, opened_at, closed_at, reason, actions)
   VALUES ($1, 1, $2, $3, at(1), at(2), 'Logout', 1)`,
    [history.tenantId, history.openSession, header],
  );
  await tx.query("INSERT INTO seal_queue (tenant_id, kind, number) VALUES ($1, 'block', 1)", [history.tenantId]);
}
