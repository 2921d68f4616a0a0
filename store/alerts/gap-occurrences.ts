import { describeGap, type Gap, type LedgerRecord } from "@heauth/core/ledger";
import type { Tx } from "../transaction.ts";
import type { Occurrence } from "./raise.ts";

/** Of a `gap` that gives no reason. */
const UNTOLD = "RecordsLost";

/** Each `gap` alerts: by its reason, once for all journals of a pod within the tenant's window. */
export async function gapOccurrences(
  tx: Tx,
  tenantId: string,
  records: readonly LedgerRecord[],
): Promise<Occurrence[]> {
  const found = records.flatMap((record) => (record.gap === undefined ? [] : [{ record, gap: record.gap }]));
  if (found.length === 0) return [];
  const pods = await podsOf(
    tx,
    tenantId,
    found.map(({ gap }) => gap.journal),
  );
  return found.map(({ record, gap }) => occurrence(record, gap, pods.get(gap.journal)));
}

function occurrence({ id, at, reason = UNTOLD }: LedgerRecord, gap: Gap, pod: string | undefined): Occurrence {
  return {
    reason,
    dedupKey: JSON.stringify([reason, pod ?? gap.journal]),
    at,
    recordId: id,
    details: { ...(pod !== undefined && { pod }), finding: describeGap(gap, pod) },
  };
}

/** By journal; of those that have one. */
async function podsOf(
  tx: Tx,
  tenantId: string,
  journals: readonly string[],
): Promise<ReadonlyMap<string, string | undefined>> {
  const rows = await tx.query<{ id: string; pod: string | null }>(
    "SELECT id, pod FROM journal WHERE tenant_id = $1 AND id = ANY ($2::uuid[])",
    [tenantId, journals],
  );
  return new Map(rows.map(({ id, pod }) => [id, pod ?? undefined]));
}
