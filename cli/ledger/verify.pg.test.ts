import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  buildBlockHeader,
  type FindingClass,
  Frontier,
  formatPinnedKeys,
  type Place,
  packRecords,
  parseRecord,
  sha256,
  signCheckpoint,
  unpackRecords,
  type Verdict,
} from "@heauth/core/ledger";
import { uuidv7 } from "@heauth/program";
import { type Database, insertSegments, type Tx } from "@heauth/store";
import { decision, type TestDatabase, TestJournal, testDatabase, testKeys } from "@heauth/store/testing";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { checkLedger } from "./check-ledger.ts";
import { runVerify, type VerifyArguments } from "./run-verify.ts";
import { type History, keys, makeHistory, TENANT } from "./testing/history.ts";

let store: TestDatabase;
let superuser: Database;
let folder: string;
let history: History;

beforeAll(async () => {
  store = await testDatabase();
  superuser = await store.database(null);
  folder = await mkdtemp(join(tmpdir(), "heauth-verify-"));
  history = await makeHistory(store, join(folder, "anchors"));
  await writeFile(join(folder, "ledger-keys.json"), formatPinnedKeys(keys.pinned));
  await writeFile(join(folder, "oldest"), history.anchors[0]);
  await writeFile(join(folder, "newest"), history.anchors[1]);
});
afterAll(async () => {
  await store.drop();
  await rm(folder, { recursive: true, force: true });
});

class Undo extends Error {}

/** What verify says after somebody with all rights on the database has done this; all is then as before. */
async function after(
  tamper: (tx: Tx) => Promise<unknown>,
  anchor?: string | null,
  pinned = keys.pinned,
): Promise<Verdict> {
  let verdict: Verdict | undefined;
  const work = superuser.transaction(async (tx) => {
    await tamper(tx);
    const note = anchor === null ? undefined : (anchor ?? history.anchors[1]);
    verdict = await checkLedger(tx, { tenant: TENANT, pinned, anchor: note });
    throw new Undo();
  });
  await expect(work).rejects.toBeInstanceOf(Undo);
  if (verdict === undefined) throw new Error("no verdict");
  return verdict;
}

/** SQL with `$1` the tenant, `$2` the sidecar's journal. */
const sql = (statement: string) => (tx: Tx) =>
  tx.query(statement.replaceAll("$1", `'${history.tenantId}'`).replaceAll("$2", `'${history.journal}'`));
const all =
  (...steps: ((tx: Tx) => Promise<unknown>)[]) =>
  async (tx: Tx) => {
    for (const step of steps) await step(tx);
  };
const flip = (column: string, at: number) => `${column} = set_byte(${column}, ${at}, get_byte(${column}, ${at}) # 1)`;
const SEGMENT = "WHERE tenant_id = $1 AND journal_id = $2 AND number";
const leafOf = (kind: string, rest = "") => `WHERE tenant_id = $1 AND kind = '${kind}' ${rest}`;

test("an honest history is intact, against every anchor that was kept", async () => {
  for (const anchor of history.anchors) {
    expect(await after(async () => {}, anchor)).toMatchObject({
      status: "Intact",
      anchor: "Matched",
      findings: [],
      pending: [],
      counts: { blocks: 1, openSessions: 1, gaps: 0 },
    });
  }
});

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

/** A sidecar's journal with a segment, taken in and not sealed yet. */
async function shipOne(tx: Tx): Promise<TestJournal> {
  const journal = new TestJournal(history.tenantId, keys.hub, { pod: "shop/web-7" });
  await journal.register(tx, keys.hub);
  await insertSegments(tx, history.tenantId, journal.id, [journal.seal(decision(history.openSession))]);
  return journal;
}

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
      await shipOne(tx);
      await sql("DELETE FROM seal_queue WHERE tenant_id = $1")(tx);
    },
    "NotLogged",
    () => ({}),
  ],
  [
    "a segment that waits to be sealed deleted",
    async (tx) => {
      const { id } = await shipOne(tx);
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
    async (tx) => {
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
    },
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
    const verdict = await after(tamper);
    expect(verdict.status).toBe("Tampered");
    const found = verdict.findings.find((each) => each.class === finding);
    expect(verdict.findings.map((each) => each.class)).toContain(finding);
    expect(found?.place).toMatchObject(place());
  });
});

describe("the anchor", () => {
  /** The last entries of the log, their rows and checkpoints cut off, as a restored older database has them. */
  const cutTail = async (tx: Tx) => {
    const [old] = await tx.query<{ size: number }>(
      "SELECT size FROM checkpoint WHERE tenant_id = $1 ORDER BY size LIMIT 1",
      [history.tenantId],
    );
    const from = old?.size ?? 0;
    const names = "SELECT journal_id, number FROM log_entry WHERE tenant_id = $1 AND kind = 'segment' AND index >= $2";
    const params = [history.tenantId, from];
    await tx.query(`DELETE FROM segment_session WHERE tenant_id = $1 AND (journal_id, number) IN (${names})`, params);
    await tx.query(`DELETE FROM segment WHERE tenant_id = $1 AND (journal_id, number) IN (${names})`, params);
    await tx.query("DELETE FROM closed_block WHERE tenant_id = $1", [history.tenantId]);
    const journals = "SELECT journal_id FROM log_entry WHERE tenant_id = $1 AND kind = 'registration' AND index >= $2";
    await tx.query(`DELETE FROM journal_head WHERE tenant_id = $1 AND journal_id IN (${journals})`, params);
    await tx.query(`DELETE FROM journal WHERE tenant_id = $1 AND id IN (${journals})`, params);
    await tx.query("DELETE FROM log_entry WHERE tenant_id = $1 AND index >= $2", params);
    await tx.query("DELETE FROM checkpoint WHERE tenant_id = $1 AND size > $2", params);
  };

  test("finds a tail that was cut, which nothing in the database tells of", async () => {
    expect(await after(cutTail, null)).toMatchObject({ status: "Intact", anchor: "None" });
    expect(await after(cutTail, history.anchors[0])).toMatchObject({ status: "Intact", anchor: "Matched" });
    const verdict = await after(cutTail);
    expect(verdict).toMatchObject({ status: "Tampered", anchor: "Contradicted" });
    expect(verdict.findings).toMatchObject([{ class: "RolledBack", place: { anchor: true } }]);
  });

  test("finds a database that was emptied, and a tenant that was removed", async () => {
    const empty = all(
      cutTail,
      sql("DELETE FROM log_entry WHERE tenant_id = $1"),
      sql("DELETE FROM checkpoint WHERE tenant_id = $1"),
    );
    expect((await after(empty)).findings.map((each) => each.class)).toContain("RolledBack");
    const renamed = await after(sql("UPDATE tenant SET name = 'gone' WHERE id = $1"));
    expect(renamed.status).toBe("Intact");
  });

  test("finds a fork that the operator's own key signed", async () => {
    const forked = async (tx: Tx) => {
      const leaves = await tx.query<{ index: number; leaf: Buffer }>(
        "SELECT index, leaf FROM log_entry WHERE tenant_id = $1 ORDER BY index",
        [history.tenantId],
      );
      const tree = Frontier.empty();
      for (const { leaf } of leaves.slice(0, -1)) tree.append(leaf);
      tree.append(sha256(Buffer.from("another history")));
      const size = tree.size;
      const note = signCheckpoint({ tenant: history.tenantId, epoch: 0, size, root: tree.root() }, keys.operator);
      await tx.query("UPDATE checkpoint SET note = $3 WHERE tenant_id = $1 AND size = $2", [
        history.tenantId,
        size,
        note,
      ]);
      await tx.query("UPDATE log_entry SET leaf = $3 WHERE tenant_id = $1 AND index = $2", [
        history.tenantId,
        size - 1,
        sha256(Buffer.from("another history")),
      ]);
    };
    const verdict = await after(forked);
    expect(verdict.anchor).toBe("Contradicted");
    expect(verdict.findings.map((each) => each.class)).toContain("Forked");
  });

  test("of another operator's key, and keys that are not pinned, are not believed", async () => {
    const verdict = await after(async () => {}, undefined, testKeys().pinned);
    expect(verdict.status).toBe("Tampered");
    expect(verdict.findings.map((each) => each.class)).toContain("KeyNotPinned");
  });
});

describe("the command", () => {
  async function verify(options: Partial<VerifyArguments> = {}) {
    let out = "";
    let err = "";
    const code = await runVerify(
      { tenant: TENANT, database: store.url, keys: join(folder, "ledger-keys.json"), ...options },
      { out: { write: (text) => (out += text) }, err: { isTTY: true, columns: 80, write: (text) => (err += text) } },
    );
    return { code, out, err };
  }

  test("ends with 0 and one line for an intact ledger", async () => {
    const { code, out, err } = await verify({ against: join(folder, "newest") });
    expect(code).toBe(0);
    expect(out).toMatch(/^intact: the ledger of acme .* goes on from the anchor\n$/);
    expect(err).toContain("100 %");
    expect(err.endsWith("\u001b[K")).toBe(true);
  });

  test("finds keys and anchor in standalone's folder, also beside --database", async () => {
    expect(await verify({ data: folder, keys: undefined, requireAnchor: true })).toMatchObject({
      code: 0,
      out: expect.stringContaining("goes on from the anchor"),
    });
  });

  test("says when there is no anchor, and ends with 2 where one is required", async () => {
    expect(await verify()).toMatchObject({ code: 0, out: expect.stringContaining("NO ANCHOR") });
    expect(await verify({ requireAnchor: true })).toMatchObject({
      code: 2,
      out: expect.stringMatching(/^could not check .*no anchor/),
    });
  });

  test("ends with 1, and names class and place, for a tampered one; JSON says the same", async () => {
    const change = () =>
      store.superuser.query(`UPDATE segment SET ${flip("records", 60)} WHERE journal_id = $1 AND number = 1`, [
        history.journal,
      ]);
    await change();
    try {
      const { code, out } = await verify({ against: join(folder, "newest") });
      expect(code).toBe(1);
      expect(out).toMatch(/^tampered: /);
      expect(out).toMatch(new RegExp(`RecordAltered at .*journal ${history.journal}, segment 1`));
      const { out: json } = await verify({ json: true });
      expect(JSON.parse(json)).toMatchObject({ status: "Tampered", findings: [{ class: "RecordAltered" }] });
    } finally {
      await change();
    }
    expect((await verify()).code).toBe(0);
  });

  test.each<[string, Partial<VerifyArguments>, RegExp]>([
    ["an unknown tenant", { tenant: "nobody" }, /--tenant/],
    ["no keys", { keys: undefined }, /--keys/],
    ["a keys file that is none", { keys: "/dev/null" }, /--keys/],
    ["an anchor that is not there", { against: "/nowhere" }, /anchor/],
    ["an anchor that is none", { against: "/dev/null" }, /anchor/],
    ["no database", { database: undefined }, /--data/],
  ])("refuses %s", async (_what, options, message) => {
    await expect(verify(options)).rejects.toMatchObject({
      code: "InvalidOption",
      message: expect.stringMatching(message),
    });
  });

  test("lists known losses, and ends with 3 where none may be", async () => {
    const hub = await store.database("heauth_hub");
    const lossy = new TestJournal(history.tenantId, keys.hub, { pod: "shop/web-9" });
    await hub.transaction(async (tx) => {
      await lossy.register(tx, keys.hub);
      const gap = { type: "gap", gap: { journal: history.journal, from: 99, lost: 4 }, reason: "Quarantined" } as const;
      await insertSegments(tx, history.tenantId, lossy.id, [lossy.seal(gap)]);
    });
    expect(await verify()).toMatchObject({ code: 0, out: expect.stringMatching(/^intact, incomplete \(1 gap/) });
    expect(await verify({ requireComplete: true })).toMatchObject({
      code: 3,
      out: expect.stringContaining("lost: 4 records"),
    });
  });
});
