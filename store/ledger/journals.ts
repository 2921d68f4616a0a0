import { type JournalHead, parseRegistration, type Registration } from "@heauth/core/ledger";
import type { Tx } from "../transaction.ts";

/** A journal's head: where it goes on, and whether it was closed. */
export interface StoredJournalHead {
  readonly head: JournalHead;
  readonly final: boolean;
}

interface HeadRow {
  next_number: number;
  next_seq: number;
  previous: Buffer | null;
  final: boolean;
}

function toHead(row: HeadRow): StoredJournalHead {
  const { next_number: number, next_seq: seq, previous, final } = row;
  return { head: previous === null ? { number, seq } : { number, seq, previous }, final };
}

const HEAD = "SELECT next_number, next_seq, previous, final FROM journal_head WHERE tenant_id = $1 AND journal_id = $2";

/** Where a journal stands; undefined when there is none of that name. */
export async function readJournalHead(
  tx: Tx,
  tenantId: string,
  journalId: string,
): Promise<StoredJournalHead | undefined> {
  const [row] = await tx.query<HeadRow>(HEAD, [tenantId, journalId]);
  return row && toHead(row);
}

/** As `readJournalHead`, and nobody else adds to the journal until the transaction ends. */
export async function lockJournalHead(
  tx: Tx,
  tenantId: string,
  journalId: string,
): Promise<StoredJournalHead | undefined> {
  const [row] = await tx.query<HeadRow>(`${HEAD} FOR NO KEY UPDATE`, [tenantId, journalId]);
  return row && toHead(row);
}

/** Moves a locked head on. */
export async function moveJournalHead(
  tx: Tx,
  tenantId: string,
  journalId: string,
  { head, final }: StoredJournalHead,
): Promise<void> {
  await tx.query(
    `UPDATE journal_head SET next_number = $3, next_seq = $4, previous = $5, final = $6, updated_at = now()
      WHERE tenant_id = $1 AND journal_id = $2`,
    [tenantId, journalId, head.number, head.seq, head.previous, final],
  );
}

/** The registrations of these journals, by id; those that are not the tenant's are left out. */
export async function readRegistrations(
  tx: Tx,
  tenantId: string,
  journalIds: readonly string[],
): Promise<ReadonlyMap<string, Registration>> {
  const rows = await tx.query<{ id: string; registration: Buffer }>(
    "SELECT id, registration FROM journal WHERE tenant_id = $1 AND id = ANY($2::uuid[])",
    [tenantId, journalIds],
  );
  return new Map(rows.map(({ id, registration }) => [id, parseRegistration(registration)]));
}

/**
 * Everything that the journal recorded before its process saw outbox event `seq` has been committed. Only moves forward.
 */
export async function noteWatermark(tx: Tx, tenantId: string, journalId: string, seq: number): Promise<void> {
  await tx.query(
    `UPDATE journal_head SET outbox_seq = $3, updated_at = now()
      WHERE tenant_id = $1 AND journal_id = $2 AND outbox_seq < $3`,
    [tenantId, journalId, seq],
  );
}

/** The last leaf that each of these sessions has in the journal; sessions without one are left out. */
export async function lastLeaves(
  tx: Tx,
  tenantId: string,
  journalId: string,
  sessionIds: readonly string[],
): Promise<Map<string, Buffer>> {
  if (sessionIds.length === 0) return new Map();
  const rows = await tx.query<{ session_id: string; leaf: Buffer }>(
    `SELECT wanted.session_id, newest.leaf
       FROM unnest($3::uuid[]) AS wanted (session_id),
            LATERAL (SELECT substr(leaves, length(leaves) - 31) AS leaf FROM segment_session AS part
                      WHERE part.tenant_id = $1 AND part.session_id = wanted.session_id AND part.journal_id = $2
                      ORDER BY part.number DESC LIMIT 1) AS newest`,
    [tenantId, journalId, sessionIds],
  );
  return new Map(rows.map(({ session_id, leaf }) => [session_id, leaf]));
}

/** Those of these journals that a pod's sidecars registered, and where they stand. */
export async function journalsOfPod(
  tx: Tx,
  tenantId: string,
  pod: string,
  journalIds: readonly string[],
): Promise<(StoredJournalHead & { journal: string })[]> {
  const rows = await tx.query<HeadRow & { journal: string }>(
    `SELECT h.journal_id AS journal, h.next_number, h.next_seq, h.previous, h.final
       FROM journal j JOIN journal_head h ON h.tenant_id = j.tenant_id AND h.journal_id = j.id
      WHERE j.tenant_id = $1 AND j.program = 'sidecar' AND j.pod = $2 AND j.id = ANY ($3::uuid[])
      ORDER BY j.id`,
    [tenantId, pod, journalIds],
  );
  return rows.map(({ journal, ...row }) => ({ journal, ...toHead(row) }));
}

/** Who may add to a journal. */
export interface JournalOwner {
  readonly program: string;
  /** `<namespace>/<name>`; of sidecars only. */
  readonly pod: string | null;
  /** Which of the pods that have had this name; null where pods have no uid. */
  readonly podUid: string | null;
}

/** Whose journal it is; undefined when the tenant has none of that name. */
export async function journalOwner(tx: Tx, tenantId: string, journalId: string): Promise<JournalOwner | undefined> {
  const [row] = await tx.query<JournalOwner>(
    `SELECT j.program, j.pod, h.pod_uid AS "podUid"
       FROM journal j JOIN journal_head h ON h.tenant_id = j.tenant_id AND h.journal_id = j.id
      WHERE j.tenant_id = $1 AND j.id = $2`,
    [tenantId, journalId],
  );
  return row;
}

/** These journals belong to the pod of this uid from now on. Who may take them over is for the caller to know. */
export async function giveJournals(
  tx: Tx,
  tenantId: string,
  journalIds: readonly string[],
  podUid: string | null,
): Promise<void> {
  await tx.query(
    `UPDATE journal_head SET pod_uid = $3
      WHERE tenant_id = $1 AND journal_id = ANY ($2::uuid[]) AND pod_uid IS DISTINCT FROM $3`,
    [tenantId, journalIds, podUid],
  );
}
