import {
  type LedgerRecord,
  type PrivatePart,
  parsePrivatePart,
  parseRecord,
  unpackPrivateParts,
  unpackRecords,
} from "@heauth/core/ledger";
import type { Tx } from "@heauth/store";

interface Row {
  records: Buffer;
  privates: (Buffer | null)[];
}

/** A tenant's records in the order written, with their private parts. */
export async function readRecords(
  superuser: Tx,
  tenantId: string,
): Promise<{ record: LedgerRecord; private: PrivatePart | undefined }[]> {
  const segments = await superuser.query<Row>(
    `SELECT s.records, array_agg(p.privates) AS privates
       FROM segment s LEFT JOIN segment_session p USING (tenant_id, journal_id, number)
      WHERE s.tenant_id = $1 GROUP BY s.tenant_id, s.journal_id, s.number ORDER BY s.journal_id, s.number`,
    [tenantId],
  );
  return segments.flatMap(({ records, privates }) => {
    const parts = new Map(
      privates.flatMap((packed) =>
        packed === null
          ? []
          : unpackPrivateParts(packed).map(({ index, salted }) => [index, parsePrivatePart(salted)] as const),
      ),
    );
    return unpackRecords(records).map((bytes, index) => ({ record: parseRecord(bytes), private: parts.get(index) }));
  });
}
