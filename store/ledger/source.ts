import type {
  BlockPlace,
  LedgerSource,
  SegmentName,
  SignedStatement,
  StoredBlock,
  StoredCheckpoint,
  StoredEntry,
  StoredKeyChange,
  StoredRegistration,
  StoredRow,
  StoredSegment,
} from "@heauth/core/ledger";
import type { Tx } from "../transaction.ts";
import { batches, pages, readSegments, type SizedSegment, segmentKey } from "./source-rows.ts";

interface EntryRow {
  index: number;
  kind: StoredRow["kind"];
  leaf: Buffer;
  journal: string;
  number: number;
  /** bytes of a segment's records; null of what is none, or is gone */
  size: number | null;
}

type Page = ReadonlyMap<string, StoredRow>;

/**
 * One tenant's ledger as the database holds it, for `verifyLedger`. All is read in the given transaction: in a repeatable read
 * one (`Database.read`) it is one snapshot. Rows come in pages, and segments by a few megabytes.
 */
export class LedgerReader implements LedgerSource {
  readonly tenant: string;
  readonly #tx: Tx;

  constructor(tx: Tx, tenantId: string) {
    this.#tx = tx;
    this.tenant = tenantId;
  }

  async size(): Promise<number> {
    const [row] = await this.#tx.query<{ size: number }>(
      "SELECT count(*) AS size FROM log_entry WHERE tenant_id = $1",
      [this.tenant],
    );
    return row?.size ?? 0;
  }

  async *entries(): AsyncIterable<StoredEntry> {
    const after = pages(this.#tx, (last: EntryRow & { epoch: number }) => [last.epoch, last.index], {
      start: [-1, -1],
      sql: `SELECT entry.epoch, entry.index, entry.kind, entry.leaf, entry.journal_id AS journal, entry.number,
                   octet_length(segment.records) AS size
              FROM log_entry AS entry
              LEFT JOIN segment ON entry.kind = 'segment' AND segment.tenant_id = $1
                               AND segment.journal_id = entry.journal_id AND segment.number = entry.number
             WHERE entry.tenant_id = $1 AND (entry.epoch, entry.index) > ($2, $3)
             ORDER BY entry.epoch, entry.index LIMIT 512`,
      params: [this.tenant],
    });
    for await (const page of after) {
      for (const batch of batches(page, ({ size }) => size ?? 0)) {
        const rows = await this.#rowsOf(batch);
        for (const entry of batch) yield { index: entry.index, leaf: entry.leaf, row: rows.get(keyOf(entry)) };
      }
    }
  }

  async *unsealed(): AsyncIterable<StoredRow> {
    const changes = await this.#tx.query<{ number: number }>(
      `SELECT number FROM key_change AS change WHERE tenant_id = $1
          AND NOT EXISTS (SELECT FROM log_entry AS entry WHERE entry.tenant_id = $1 AND entry.kind = 'key'
                             AND entry.journal_id IS NULL AND entry.number = change.number)
        ORDER BY number`,
      [this.tenant],
    );
    yield* (await this.#keyChanges(changes.map(({ number }) => number))).values();
    const registrations = await this.#tx.query<{ id: string }>(
      `SELECT id FROM journal WHERE tenant_id = $1
          AND NOT EXISTS (SELECT FROM log_entry AS entry WHERE entry.tenant_id = $1 AND entry.kind = 'registration'
                             AND entry.journal_id = journal.id AND entry.number IS NULL)
        ORDER BY id`,
      [this.tenant],
    );
    yield* (await this.#registrations(registrations.map(({ id }) => id))).values();
    yield* this.#segmentsWhere(
      `NOT EXISTS (SELECT FROM log_entry AS entry WHERE entry.tenant_id = $1 AND entry.kind = 'segment'
                      AND entry.journal_id = segment.journal_id AND entry.number = segment.number)`,
    );
    const blocks = await this.#tx.query<{ number: number }>(
      `SELECT number FROM closed_block AS block WHERE tenant_id = $1
          AND NOT EXISTS (SELECT FROM log_entry AS entry WHERE entry.tenant_id = $1 AND entry.kind = 'block'
                             AND entry.journal_id IS NULL AND entry.number = block.number)
        ORDER BY number`,
      [this.tenant],
    );
    yield* (await this.#blocks(blocks.map(({ number }) => number))).values();
  }

  async *checkpoints(): AsyncIterable<StoredCheckpoint> {
    const after = pages(this.#tx, (last: StoredCheckpoint & { epoch: number }) => [last.epoch, last.size], {
      start: [-1, -1],
      sql: `SELECT epoch, size, note FROM checkpoint WHERE tenant_id = $1 AND (epoch, size) > ($2, $3)
             ORDER BY epoch, size LIMIT 512`,
      params: [this.tenant],
    });
    for await (const page of after) yield* page.map(({ size, note }) => ({ size, note }));
  }

  async *erasures(): AsyncIterable<SegmentName> {
    // Sidecars write none; a row that hides an erasure only makes the missing private part a finding.
    const after = pages(this.#tx, (last: { journal: string; number: number }) => [last.journal, last.number], {
      start: ["00000000-0000-0000-0000-000000000000", -1],
      sql: `SELECT segment.journal_id AS journal, segment.number FROM segment
              JOIN journal ON journal.tenant_id = $1 AND journal.id = segment.journal_id AND journal.program <> 'sidecar'
             WHERE segment.tenant_id = $1 AND (segment.journal_id, segment.number) > ($2::uuid, $3::bigint)
               AND (position('"type":"subject.erased"'::bytea IN segment.records) > 0
                    OR position('"type":"retention.dropped"'::bytea IN segment.records) > 0)
             ORDER BY segment.journal_id, segment.number LIMIT 256`,
      params: [this.tenant],
    });
    for await (const page of after) yield* page;
  }

  async segment({ journal, number }: SegmentName): Promise<StoredSegment | undefined> {
    return (await readSegments(this.#tx, this.tenant, [{ journal, number }])).get(segmentKey({ journal, number }));
  }

  async segmentsOfSession(session: string, journal: string): Promise<readonly number[]> {
    const rows = await this.#tx.query<{ number: number }>(
      "SELECT number FROM segment_session WHERE tenant_id = $1 AND session_id = $2 AND journal_id = $3 ORDER BY number",
      [this.tenant, session, journal],
    );
    return rows.map(({ number }) => number);
  }

  async blockOfSession(session: string): Promise<BlockPlace | undefined> {
    const [row] = await this.#tx.query<{ number: number; index: number | null }>(
      `SELECT block.number, entry.index FROM closed_block AS block
         LEFT JOIN log_entry AS entry ON entry.tenant_id = $1 AND entry.kind = 'block' AND entry.journal_id IS NULL
                                     AND entry.number = block.number
        WHERE block.tenant_id = $1 AND block.session_id = $2`,
      [this.tenant, session],
    );
    return row && { number: row.number, index: row.index ?? undefined };
  }

  async statements(sessions: readonly string[]): Promise<ReadonlyMap<string, SignedStatement>> {
    const rows = await this.#tx.query<{ id: string } & SignedStatement>(
      `SELECT id, statement AS body, statement_signature AS signature FROM session
        WHERE tenant_id = $1 AND id = ANY($2::uuid[])`,
      [this.tenant, sessions],
    );
    return new Map(rows.map(({ id, body, signature }) => [id, { body, signature }]));
  }

  async #rowsOf(batch: readonly EntryRow[]): Promise<Page> {
    const of = (kind: StoredRow["kind"]) => batch.filter((entry) => entry.kind === kind);
    const found: Page[] = [
      await this.#registrations(of("registration").map(({ journal }) => journal)),
      await readSegments(this.#tx, this.tenant, of("segment")),
      await this.#blocks(of("block").map(({ number }) => number)),
      await this.#keyChanges(of("key").map(({ number }) => number)),
    ];
    return new Map(found.flatMap((page) => [...page]));
  }

  async #registrations(journals: readonly string[]): Promise<Map<string, StoredRegistration>> {
    if (journals.length === 0) return new Map();
    const rows = await this.#tx.query<Omit<StoredRegistration, "kind">>(
      `SELECT id AS journal, registration AS body, possession, countersignature FROM journal
        WHERE tenant_id = $1 AND id = ANY($2::uuid[]) ORDER BY id`,
      [this.tenant, journals],
    );
    return keyed(rows.map((row) => ({ kind: "registration" as const, ...row })));
  }

  async #blocks(numbers: readonly number[]): Promise<Map<string, StoredBlock>> {
    if (numbers.length === 0) return new Map();
    const rows = await this.#tx.query<Omit<StoredBlock, "kind">>(
      `SELECT number, session_id AS session, header FROM closed_block
        WHERE tenant_id = $1 AND number = ANY($2::bigint[]) ORDER BY number`,
      [this.tenant, numbers],
    );
    return keyed(rows.map((row) => ({ kind: "block" as const, ...row })));
  }

  async #keyChanges(numbers: readonly number[]): Promise<Map<string, StoredKeyChange>> {
    if (numbers.length === 0) return new Map();
    const rows = await this.#tx.query<{ number: number; body: Buffer; signature: Buffer }>(
      "SELECT number, body, signature FROM key_change WHERE tenant_id = $1 AND number = ANY($2::bigint[]) ORDER BY number",
      [this.tenant, numbers],
    );
    return new Map(
      rows.map(({ number, body, signature }) => [keyOf({ kind: "key", number }), { kind: "key", body, signature }]),
    );
  }

  async *#segmentsWhere(condition: string): AsyncIterable<StoredSegment> {
    const after = pages(this.#tx, (last: SizedSegment) => [last.journal, last.number], {
      start: ["00000000-0000-0000-0000-000000000000", -1],
      sql: `SELECT journal_id AS journal, number, octet_length(records) AS size FROM segment
             WHERE tenant_id = $1 AND (journal_id, number) > ($2::uuid, $3::bigint) AND ${condition}
             ORDER BY journal_id, number LIMIT 512`,
      params: [this.tenant],
    });
    for await (const page of after) {
      for (const batch of batches(page, ({ size }) => size)) {
        yield* (await readSegments(this.#tx, this.tenant, batch)).values();
      }
    }
  }
}

function keyOf(row: { kind: StoredRow["kind"]; journal?: string | null; number?: number | null }): string {
  return `${row.kind}/${row.journal ?? ""}/${row.number ?? ""}`;
}

function keyed<R extends StoredRow & { journal?: string; number?: number }>(rows: readonly R[]): Map<string, R> {
  return new Map(rows.map((row) => [keyOf(row), row]));
}
