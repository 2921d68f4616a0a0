import type {
  BlockColumns,
  BlockPlace,
  LedgerSource,
  SegmentName,
  SessionColumns,
  StoredBlock,
  StoredCheckpoint,
  StoredEntry,
  StoredRegistration,
  StoredRow,
  StoredSegment,
  StoredStatement,
  StoredWaiting,
} from "@heauth/core/ledger";
import type { Tx } from "../transaction.ts";
import { ahead, batches, pages, readSegments, segmentKey } from "./source-rows.ts";
import { type RowName, strayNames } from "./strays.ts";

interface EntryRow extends RowName {
  index: number;
  leaf: Buffer;
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
    const after = pages(this.#tx, (last: EntryRow) => [last.index], {
      start: [-1],
      sql: `SELECT entry.index, entry.kind, entry.leaf, entry.journal_id AS journal, entry.number,
                   octet_length(segment.records) AS size
              FROM log_entry AS entry
              LEFT JOIN segment ON entry.kind = 'segment' AND segment.tenant_id = $1
                               AND segment.journal_id = entry.journal_id AND segment.number = entry.number
             WHERE entry.tenant_id = $1 AND entry.index > $2
             ORDER BY entry.index LIMIT 512`,
      params: [this.tenant],
    });
    for await (const { name, row } of this.#rowsOf(after)) yield { index: name.index, leaf: name.leaf, row };
  }

  async *unsealed(): AsyncIterable<StoredWaiting> {
    const after = pages(this.#tx, (last: RowName & { id: number }) => [last.id], {
      start: [-1],
      sql: `SELECT queue.id, queue.kind, queue.journal_id AS journal, queue.number, octet_length(segment.records) AS size
              FROM seal_queue AS queue
              LEFT JOIN segment ON queue.kind = 'segment' AND segment.tenant_id = $1
                               AND segment.journal_id = queue.journal_id AND segment.number = queue.number
             WHERE queue.tenant_id = $1 AND queue.id > $2
             ORDER BY queue.id LIMIT 512`,
      params: [this.tenant],
    });
    for await (const { name, row } of this.#rowsOf(after)) {
      yield { journal: name.journal ?? undefined, number: name.number ?? undefined, row };
    }
  }

  async *strays(): AsyncIterable<StoredRow> {
    for await (const { row } of this.#rowsOf(strayNames(this.#tx, this.tenant))) if (row !== undefined) yield row;
  }

  async *checkpoints(): AsyncIterable<StoredCheckpoint> {
    const after = pages(this.#tx, (last: StoredCheckpoint) => [last.epoch, last.size], {
      start: [-1, -1],
      sql: `SELECT epoch, size, note FROM checkpoint WHERE tenant_id = $1 AND (epoch, size) > ($2, $3)
             ORDER BY epoch, size LIMIT 512`,
      params: [this.tenant],
    });
    for await (const page of after) yield* page;
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

  async statements(sessions: readonly string[]): Promise<ReadonlyMap<string, StoredStatement>> {
    const rows = await this.#tx.query<{ id: string; body: Buffer; signature: Buffer } & SessionColumns>(
      `SELECT id, statement AS body, statement_signature AS signature, kind, user_id AS user, opened_at AS opened,
              expires_at AS expires FROM session
        WHERE tenant_id = $1 AND id = ANY($2::uuid[])`,
      [this.tenant, sessions],
    );
    return new Map(rows.map(({ id, body, signature, ...columns }) => [id, { body, signature, columns }]));
  }

  /** The rows of these names, in their order; segments by a few megabytes. */
  async *#rowsOf<N extends RowName>(
    names: AsyncIterable<readonly N[]>,
  ): AsyncIterable<{ readonly name: N; readonly row: StoredRow | undefined }> {
    for await (const { batch, rows } of ahead(this.#batches(names))) {
      for (const name of batch) yield { name, row: rows.get(keyOf(name)) };
    }
  }

  async *#batches<N extends RowName>(
    names: AsyncIterable<readonly N[]>,
  ): AsyncIterable<{ readonly batch: readonly N[]; readonly rows: Page }> {
    for await (const page of names) {
      for (const batch of batches(page, ({ size }) => size ?? 0)) yield { batch, rows: await this.#read(batch) };
    }
  }

  async #read(batch: readonly RowName[]): Promise<Page> {
    const of = (kind: StoredRow["kind"]) => batch.filter((name) => name.kind === kind);
    const journals = of("registration").flatMap(({ journal }) => journal ?? []);
    const segments = of("segment").flatMap(({ journal, number }) =>
      journal === null || number === null ? [] : { journal, number },
    );
    const numbers = (kind: "block" | "key" | "recovery") => of(kind).flatMap(({ number }) => number ?? []);
    const found: Page[] = [
      await this.#registrations(journals),
      await readSegments(this.#tx, this.tenant, segments),
      await this.#blocks(numbers("block")),
      await this.#signed("key", numbers("key")),
      await this.#signed("recovery", numbers("recovery")),
    ];
    return new Map(found.flatMap((page) => [...page]));
  }

  async #registrations(journals: readonly string[]): Promise<Map<string, StoredRegistration>> {
    if (journals.length === 0) return new Map();
    const rows = await this.#tx.query<Omit<StoredRegistration, "kind"> & { program: string; pod: string | null }>(
      `SELECT id AS journal, registration AS body, possession, countersignature, program, pod FROM journal
        WHERE tenant_id = $1 AND id = ANY($2::uuid[]) ORDER BY id`,
      [this.tenant, journals],
    );
    return keyed(
      rows.map(({ program, pod, ...row }) => {
        const columns = { program, pod: pod ?? undefined };
        return { kind: "registration" as const, ...row, columns };
      }),
    );
  }

  async #blocks(numbers: readonly number[]): Promise<Map<string, StoredBlock>> {
    if (numbers.length === 0) return new Map();
    const rows = await this.#tx.query<{ number: number; session: string; header: Buffer } & BlockColumns>(
      `SELECT number, session_id AS session, header, opened_at AS opened, closed_at AS closed, reason, actions FROM closed_block
        WHERE tenant_id = $1 AND number = ANY($2::bigint[]) ORDER BY number`,
      [this.tenant, numbers],
    );
    return keyed(
      rows.map(({ number, session, header, ...columns }) => ({
        kind: "block" as const,
        number,
        session,
        header,
        columns,
      })),
    );
  }

  async #signed(kind: "key" | "recovery", numbers: readonly number[]): Promise<Page> {
    if (numbers.length === 0) return new Map();
    const table = kind === "key" ? "key_change" : "recovery";
    const rows = await this.#tx.query<{ number: number; body: Buffer; signature: Buffer }>(
      `SELECT number, body, signature FROM ${table} WHERE tenant_id = $1 AND number = ANY($2::bigint[]) ORDER BY number`,
      [this.tenant, numbers],
    );
    return new Map(rows.map(({ number, body, signature }) => [keyOf({ kind, number }), { kind, body, signature }]));
  }
}

function keyOf(row: { kind: StoredRow["kind"]; journal?: string | null; number?: number | null }): string {
  return `${row.kind}/${row.journal ?? ""}/${row.number ?? ""}`;
}

function keyed<R extends StoredRow & { journal?: string; number?: number }>(rows: readonly R[]): Map<string, R> {
  return new Map(rows.map((row) => [keyOf(row), row]));
}
