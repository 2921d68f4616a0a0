import { type FindingClass, type Place, packRecords, parseRecord, unpackRecords } from "@heauth/core/ledger";
import { uuidv7 } from "@heauth/program";
import { insertSegments, type Tx } from "@heauth/store";
import { decision, TestJournal, testKeys } from "@heauth/store/testing";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type History, keys } from "./testing/history.ts";
import { putBlockIn, shipOne } from "./testing/insider.ts";
import { all, flip, type TamperRig, tamperRig } from "./testing/tamper-rig.ts";

let rig: TamperRig;
let history: History;

beforeAll(async () => {
  rig = await tamperRig();
  history = rig.history;
});
afterAll(() => rig.drop());

/** As `rig.sql`; the rig is there only when the test runs. */
const sql = (statement: string) => (tx: Tx) => rig.sql(statement)(tx);
const SEGMENT = "WHERE tenant_id = $1 AND journal_id = $2 AND number";
const leafOf = (kind: string, rest = "") => `WHERE tenant_id = $1 AND kind = '${kind}' ${rest}`;

type Case = [what: string, tamper: (tx: Tx) => Promise<unknown>, finding: FindingClass, place: () => Partial<Place>];

/** A segment's records, rewritten with its root, index and leaf adapted as well as one can without the journal's key. */
const rewrite = (change: (records: Buffer[]) => Buffer[]) => async (tx: Tx) => {
  const [row] = await tx.query<{ records: Buffer }>(
    "SELECT records FROM segment WHERE tenant_id = $1 AND journal_id = $2 AND number = 1",
    [history.tenantId, history.journal],
  );
  const packed = packRecords(change(unpackRecords(row?.records ?? Buffer.alloc(0))));
  await tx.query("UPDATE segment SET records = $3 WHERE tenant_id = $1 AND journal_id = $2 AND number = 1", [
    history.tenantId,
    history.journal,
    packed,
  ]);
};
const sidecar = (number: number) => () => ({ journal: history.journal, number });

describe.each<Case>([
  [
    "one byte of a record",
    sql(`UPDATE segment SET ${flip("records", 60)} ${SEGMENT} = 1`),
    "RecordAltered",
    sidecar(1),
  ],
  [
    "a record's decision",
    rewrite((records) =>
      records.map((bytes) => Buffer.from(bytes.toString().replace('"decision":"Deny"', '"decision":"Allow"'))),
    ),
    "RecordAltered",
    sidecar(1),
  ],
  [
    "one byte of a private part",
    sql(`UPDATE segment_session SET ${flip("privates", 40)} ${SEGMENT} = 1 AND session_id::text LIKE '0%'`),
    "PrivatePartAltered",
    sidecar(1),
  ],
  [
    "private parts taken away, without an erasure",
    sql(`UPDATE segment_session SET privates = NULL ${SEGMENT} = 0`),
    "PrivatePartMissing",
    sidecar(0),
  ],
  ["a segment's header", sql(`UPDATE segment SET ${flip("header", 30)} ${SEGMENT} = 1`), "HeaderAltered", sidecar(1)],
  [
    "a segment's signature",
    sql(`UPDATE segment SET ${flip("signature", 3)} ${SEGMENT} = 1`),
    "HeaderAltered",
    sidecar(1),
  ],
  [
    "a block's header",
    sql(`UPDATE closed_block SET ${flip("header", 30)} WHERE tenant_id = $1`),
    "BlockAltered",
    () => ({ block: 0 }),
  ],
  ["a record deleted", rewrite((records) => records.slice(1)), "NumberGap", sidecar(1)],
  ["a record twice", rewrite((records) => [records[0] as Buffer, ...records]), "Duplicate", sidecar(1)],
  ["two records in another order", rewrite((records) => records.toReversed()), "Reordered", sidecar(1)],
  [
    "a record put in",
    rewrite((records) => {
      const last = records.at(-1) as Buffer;
      const { id } = parseRecord(last);
      const next = `${id.split("/")[0]}/${Number(id.split("/")[1]) + 1}`;
      return [...records, Buffer.from(last.toString().replace(id, next))];
    }),
    "RecordMisplaced",
    sidecar(1),
  ],
  [
    "a segment deleted",
    all(
      sql(`DELETE FROM late_record ${SEGMENT} = 1`),
      sql(`DELETE FROM segment_session ${SEGMENT} = 1`),
      sql(`DELETE FROM segment ${SEGMENT} = 1`),
    ),
    "LogEntryMissing",
    () => ({ index: history.index.segment }),
  ],
  [
    "a segment deleted, with its entry in the log",
    all(
      sql(`DELETE FROM segment_session ${SEGMENT} = 1`),
      sql(`DELETE FROM segment ${SEGMENT} = 1`),
      sql(`DELETE FROM log_entry ${SEGMENT} = 1`),
    ),
    "LogEntryMissing",
    () => ({ index: history.index.segment }),
  ],
  [
    "which session a record belongs to",
    (tx) =>
      tx.query(
        `UPDATE segment_session SET positions = '{1}' WHERE tenant_id = $1 AND journal_id = $2 AND number = 1 AND session_id = $3`,
        [history.tenantId, history.journal, history.openSession],
      ),
    "IndexAltered",
    sidecar(1),
  ],
  [
    "a block deleted",
    sql("DELETE FROM closed_block WHERE tenant_id = $1"),
    "LogEntryMissing",
    () => ({ index: history.index.block }),
  ],
  [
    "a leaf of the log",
    sql(`UPDATE log_entry SET ${flip("leaf", 5)} ${leafOf("registration", "AND journal_id = $2")}`),
    "LogEntryAltered",
    () => ({ index: history.index.registration }),
  ],
  [
    "a checkpoint",
    sql("UPDATE checkpoint SET note = replace(note, 'A', 'B') WHERE tenant_id = $1"),
    "CheckpointInvalid",
    () => ({}),
  ],
  [
    "a registration's signature",
    sql(`UPDATE journal SET ${flip("countersignature", 3)} WHERE tenant_id = $1 AND id = $2`),
    "HeaderAltered",
    () => ({ journal: history.journal }),
  ],
  [
    "a key change",
    sql(`UPDATE key_change SET ${flip("signature", 3)} WHERE tenant_id = $1 AND number = 0`),
    "HeaderAltered",
    () => ({ index: 0 }),
  ],
  [
    "a session statement swapped",
    (tx) => tx.query(`UPDATE session SET ${flip("statement", 20)} WHERE id = $1`, [history.openSession]),
    "StatementAltered",
    () => ({ session: history.openSession }),
  ],
  [
    "what readers see of a block: its reason",
    sql("UPDATE closed_block SET reason = 'Evicted' WHERE tenant_id = $1"),
    "BlockAltered",
    () => ({ block: 0 }),
  ],
  [
    "what readers see of a block: how much was done",
    sql("UPDATE closed_block SET actions = actions - 1 WHERE tenant_id = $1"),
    "BlockAltered",
    () => ({ block: 0 }),
  ],
  [
    "whose session it was",
    (tx) => tx.query("UPDATE session SET user_id = gen_random_uuid() WHERE id = $1", [history.closedSession]),
    "StatementAltered",
    () => ({ session: history.closedSession }),
  ],
  [
    "which pod a journal is of",
    sql("UPDATE journal SET pod = 'shop/other-0' WHERE tenant_id = $1 AND id = $2"),
    "HeaderAltered",
    () => ({ journal: history.journal }),
  ],
  [
    "a row beside a segment, of a session without records there",
    (tx) =>
      tx.query(
        `INSERT INTO segment_session (tenant_id, session_id, journal_id, number, positions, leaves)
         VALUES ($1, $2, $3, 2, '{}', '')`,
        [history.tenantId, uuidv7(), history.journal],
      ),
    "IndexAltered",
    sidecar(2),
  ],
  [
    "the queue: what waits is taken out, to be cut off later",
    async (tx) => {
      await shipOne(tx, history);
      await sql("DELETE FROM seal_queue WHERE tenant_id = $1")(tx);
    },
    "NotLogged",
    () => ({}),
  ],
  [
    "a segment that waits to be sealed deleted",
    async (tx) => {
      const { id } = await shipOne(tx, history);
      await tx.query("DELETE FROM segment_session WHERE journal_id = $1", [id]);
      await tx.query("DELETE FROM segment WHERE journal_id = $1", [id]);
    },
    "LogEntryMissing",
    () => ({ number: 0 }),
  ],
  [
    "a key change played back",
    sql(`INSERT INTO key_change SELECT tenant_id, number + 100, body, signature FROM key_change
          WHERE tenant_id = $1 AND number = 0`),
    "NotLogged",
    () => ({}),
  ],
  [
    "entries put behind the newest checkpoint",
    sql(`INSERT INTO log_entry (tenant_id, epoch, index, kind, number, leaf)
         SELECT tenant_id, epoch, max(index) + 1, 'block', 99, sha256('mine') FROM log_entry
          WHERE tenant_id = $1 GROUP BY tenant_id, epoch`),
    "CheckpointMissing",
    () => ({}),
  ],
  [
    "the newest checkpoint deleted",
    sql(`DELETE FROM checkpoint WHERE tenant_id = $1
            AND size = (SELECT max(size) FROM checkpoint WHERE tenant_id = $1)`),
    "CheckpointMissing",
    () => ({}),
  ],
  [
    "a checkpoint's epoch",
    sql("UPDATE checkpoint SET epoch = 1 WHERE tenant_id = $1"),
    "CheckpointInvalid",
    () => ({}),
  ],
  [
    "a block of an open session put in",
    (tx) => putBlockIn(tx, history),
    "BlockAltered",
    () => ({ block: 1, session: history.openSession }),
  ],
  [
    "a journal of one's own, with records",
    async (tx) => {
      const registrar = testKeys().hub;
      const own = new TestJournal(history.tenantId, registrar);
      await own.register(tx, registrar);
      await insertSegments(tx, history.tenantId, own.id, [own.seal(decision(history.openSession))]);
    },
    "KeyNotPinned",
    () => ({}),
  ],
  [
    "a journal whose registration claims the hub's key",
    async (tx) => {
      const own = new TestJournal(history.tenantId, keys.hub);
      await tx.query(
        `INSERT INTO journal (tenant_id, id, registration, possession, countersignature, program, pod)
         VALUES ($1, $2, $3, $4, $5, 'sidecar', 'shop/web-0')`,
        [history.tenantId, own.id, own.body, own.possession, Buffer.alloc(64, 1)],
      );
    },
    "SignatureInvalid",
    () => ({}),
  ],
])("%s", (_what, tamper, finding, place) => {
  test(`is found: ${finding}`, async () => {
    const verdict = await rig.after(tamper);
    expect(verdict.status).toBe("Tampered");
    const found = verdict.findings.find((each) => each.class === finding);
    expect(verdict.findings.map((each) => each.class)).toContain(finding);
    expect(found?.place).toMatchObject(place());
  });
});
