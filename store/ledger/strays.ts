import type { StoredRow } from "@heauth/core/ledger";
import type { Tx } from "../transaction.ts";
import { pages } from "./source-rows.ts";

/** A row by what the log would call it. */
export interface RowName {
  readonly kind: StoredRow["kind"];
  readonly journal: string | null;
  readonly number: number | null;
  /** bytes of a segment's records; null of what is none, or is gone */
  readonly size: number | null;
}

const NIL = "00000000-0000-0000-0000-000000000000";

/** Holds for rows that no log entry and nothing in the queue tells of. */
function nowhere(kind: StoredRow["kind"], same: string): string {
  return `NOT EXISTS (SELECT FROM log_entry AS told WHERE told.tenant_id = $1 AND told.kind = '${kind}' AND ${same})
      AND NOT EXISTS (SELECT FROM seal_queue AS told WHERE told.tenant_id = $1 AND told.kind = '${kind}' AND ${same})`;
}

/** The names of rows that are neither in the log nor in the queue for it, page by page: key changes, registrations, segments, blocks. */
export async function* strayNames(tx: Tx, tenantId: string): AsyncIterable<RowName[]> {
  const params = [tenantId];
  const byNumber = (last: RowName) => [last.number];
  yield* pages(tx, byNumber, {
    start: [-1],
    sql: `SELECT 'key' AS kind, NULL::uuid AS journal, number, NULL::integer AS size FROM key_change AS own
           WHERE tenant_id = $1 AND number > $2 AND ${nowhere("key", "told.number = own.number")}
           ORDER BY number LIMIT 512`,
    params,
  });
  yield* pages(tx, (last: RowName) => [last.journal], {
    start: [NIL],
    sql: `SELECT 'registration' AS kind, id AS journal, NULL::bigint AS number, NULL::integer AS size FROM journal AS own
           WHERE tenant_id = $1 AND id > $2::uuid AND ${nowhere("registration", "told.journal_id = own.id")}
           ORDER BY id LIMIT 512`,
    params,
  });
  const sameSegment = "told.journal_id = own.journal_id AND told.number = own.number";
  yield* pages(tx, (last: RowName) => [last.journal, last.number], {
    start: [NIL, -1],
    sql: `SELECT 'segment' AS kind, journal_id AS journal, number, octet_length(records) AS size FROM segment AS own
           WHERE tenant_id = $1 AND (journal_id, number) > ($2::uuid, $3::bigint) AND ${nowhere("segment", sameSegment)}
           ORDER BY journal_id, number LIMIT 512`,
    params,
  });
  yield* pages(tx, byNumber, {
    start: [-1],
    sql: `SELECT 'block' AS kind, NULL::uuid AS journal, number, NULL::integer AS size FROM closed_block AS own
           WHERE tenant_id = $1 AND number > $2 AND ${nowhere("block", "told.number = own.number")}
           ORDER BY number LIMIT 512`,
    params,
  });
}
