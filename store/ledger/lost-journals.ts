import { JOURNAL_LOST } from "@heauth/core/ledger";
import type { Recorder } from "../recorder.ts";
import type { Tx } from "../transaction.ts";

/** A pod that has journals which are not closed. */
export interface PodWithJournals {
  /** `<namespace>/<name>` */
  readonly pod: string;
  /** Which of the pods that have had this name. */
  readonly podUid: string;
}

/** A journal, and the pod that it belonged to when it was looked for. */
export interface OpenJournal {
  readonly tenantId: string;
  readonly journalId: string;
  readonly podUid: string;
}

/**
 * Sidecars' journals that are neither closed nor found lost, where it is known which pod may go on with them. Those of tenants whose
 * data is to be deleted are left out: there nothing can be told any more.
 */
const OPEN = `journal_head AS head
  JOIN journal ON journal.tenant_id = head.tenant_id AND journal.id = head.journal_id AND journal.program = 'sidecar'
  JOIN tenant ON tenant.id = head.tenant_id AND (tenant.deleted_at IS NULL OR tenant.reclaim_policy = 'Retain')
 WHERE NOT head.final AND head.lost_at IS NULL AND head.pod_uid IS NOT NULL`;

/** Every pod with an open journal. */
export function podsWithJournals(tx: Tx): Promise<PodWithJournals[]> {
  return tx.query<PodWithJournals>(`SELECT DISTINCT journal.pod, head.pod_uid AS "podUid" FROM ${OPEN}`);
}

/** A pod's open journals, of all tenants. */
export function openJournals(tx: Tx, { pod, podUid }: PodWithJournals): Promise<OpenJournal[]> {
  return tx.query<OpenJournal>(
    `SELECT head.tenant_id AS "tenantId", head.journal_id AS "journalId", head.pod_uid AS "podUid" FROM ${OPEN}
        AND journal.pod = $1 AND head.pod_uid = $2 ORDER BY head.journal_id`,
    [pod, podUid],
  );
}

/**
 * Tells in the ledger that a journal's pod is gone and that nobody has closed it: a `gap` from the first record on that is not here,
 * of unknown length. Blocks wait for it no more. It takes nothing away: records that are the journal's by their signatures are
 * taken in whenever they come, and a `journal.close` among them fills the gap.
 *
 * Nothing happens to a journal that was closed, found lost or taken over by another pod meanwhile, or to which something came in
 * during the last `silentMs`. One that never had a record has lost none, as no request is let through before its `journal.open` is
 * here: it is only not waited for any more.
 * @returns whether it was found lost by this
 */
export async function endLostJournal(
  tx: Tx,
  recorder: Recorder,
  { tenantId, journalId, podUid }: OpenJournal,
  silentMs: number,
): Promise<boolean> {
  // Whoever adds to the journal waits here, or is waited for.
  const [head] = await tx.query<{ next_seq: number }>(
    `UPDATE journal_head SET lost_at = now()
      WHERE tenant_id = $1 AND journal_id = $2 AND pod_uid = $3 AND NOT final AND lost_at IS NULL
        AND updated_at <= now() - $4 * interval '1 ms'
     RETURNING next_seq`,
    [tenantId, journalId, podUid, silentMs],
  );
  if (head === undefined || head.next_seq === 0) return false;
  const gap = { journal: journalId, from: head.next_seq };
  await recorder.append(tx, tenantId, [{ type: "gap", gap, reason: JOURNAL_LOST }]);
  return true;
}
