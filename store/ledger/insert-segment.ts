import { sessionParts } from "@heauth/core/ledger";
import type { Tx } from "../transaction.ts";
import type { OpenedSegment } from "./open-segment.ts";

/** In `segment_session`: the records that belong to no session. */
export const NO_SESSION = "00000000-0000-0000-0000-000000000000";

/** Writes a segment's row, those of the sessions it touches, and its place in the queue for the log. */
export async function insertSegment(tx: Tx, { incoming, header, records }: OpenedSegment): Promise<void> {
  const name = [header.tenant, header.journal, header.number];
  const parts = sessionParts(
    records.map(({ record, leaf, salted }) => ({ session: record.session, leaf, private: salted })),
  );

  await tx.query(
    `INSERT INTO segment (tenant_id, journal_id, number, header, signature, records) VALUES ($1, $2, $3, $4, $5, $6)`,
    [...name, incoming.header, incoming.signature, incoming.records],
  );
  await tx.query(
    `INSERT INTO segment_session (tenant_id, journal_id, number, session_id, positions, leaves, privates)
     SELECT $1, $2, $3, part.session_id, part.positions::integer[], part.leaves, part.privates
       FROM unnest($4::uuid[], $5::text[], $6::bytea[], $7::bytea[]) AS part (session_id, positions, leaves, privates)`,
    [
      ...name,
      parts.map(({ session }) => session ?? NO_SESSION),
      parts.map(({ positions }) => `{${positions.join(",")}}`),
      parts.map(({ leaves }) => leaves),
      parts.map(({ private: packed }) => (packed?.length === 0 ? null : packed)),
    ],
  );
  await tx.query(`INSERT INTO seal_queue (tenant_id, kind, journal_id, number) VALUES ($1, 'segment', $2, $3)`, name);
}
