import type { JournalHead, SegmentHeader } from "@heauth/core/ledger";
import { raiseFromRecords } from "../alerts/from-records.ts";
import type { Tx } from "../transaction.ts";
import { noteActivity } from "./activity.ts";
import { LedgerStoreError } from "./errors.ts";
import { insertSegment } from "./insert-segment.ts";
import { lastLeaves, lockJournalHead, moveJournalHead, readRegistrations } from "./journals.ts";
import { type IncomingSegment, type OpenedSegment, openSegment, readHeader, refused } from "./open-segment.ts";

type Headed = { readonly incoming: IncomingSegment; readonly header: SegmentHeader };

/**
 * Takes a journal's next segments into the ledger: the one way in, for the hub and for `LedgerWriter`. Segments that are stored
 * already are passed over when they are the same. All or nothing, with the transaction.
 *
 * What follows from the records comes with them: blocks and sessions learn of the activity, mismatches raise alerts.
 * @returns where the journal stands now
 * @throws LedgerStoreError JournalUnknown, JournalFinal, OutOfOrder, Equivocation, SegmentRefused
 */
export async function insertSegments(
  tx: Tx,
  tenantId: string,
  journalId: string,
  segments: readonly IncomingSegment[],
): Promise<JournalHead> {
  const headed = segments.map((incoming) => ({ incoming, header: readHeader(incoming.header) }));
  const opened = await openAll(tx, tenantId, journalId, headed);

  const locked = await lockJournalHead(tx, tenantId, journalId);
  if (locked === undefined) throw unknown(journalId);
  await checkStored(tx, tenantId, journalId, headed, locked.head.number);
  const fresh = opened.filter(({ header }) => header.number >= locked.head.number);
  if (fresh.length === 0) return locked.head;
  if (locked.final) throw new LedgerStoreError("JournalFinal", `journal ${journalId} is closed`);

  const head = follow(locked.head, fresh);
  await checkLinks(tx, tenantId, journalId, fresh);
  for (const segment of fresh) await insertSegment(tx, segment);
  await moveJournalHead(tx, tenantId, journalId, { head, final: fresh.at(-1)?.header.final === true });
  await noteActivity(tx, tenantId, fresh);
  await raiseFromRecords(
    tx,
    tenantId,
    fresh.flatMap(({ records }) => records),
  );
  return head;
}

/** Signatures and hashes are checked before anything is locked. */
async function openAll(
  tx: Tx,
  tenantId: string,
  journalId: string,
  headed: readonly Headed[],
): Promise<OpenedSegment[]> {
  const names = new Set([journalId, ...headed.map(({ header }) => header.signer)]);
  const registrations = await readRegistrations(tx, tenantId, [...names]);
  const journal = registrations.get(journalId);
  if (journal === undefined) throw unknown(journalId);
  return headed.map(({ incoming, header }) => {
    if (header.journal !== journalId) throw refused(header, "it is another journal's");
    return openSegment(incoming, header, journal, registrations);
  });
}

/** The same number with the same header is a repetition; with another one somebody tells two stories. */
async function checkStored(
  tx: Tx,
  tenantId: string,
  journalId: string,
  headed: readonly Headed[],
  next: number,
): Promise<void> {
  const again = headed.filter(({ header }) => header.number < next);
  if (again.length === 0) return;
  const rows = await tx.query<{ number: number; header: Buffer }>(
    "SELECT number, header FROM segment WHERE tenant_id = $1 AND journal_id = $2 AND number = ANY($3::bigint[])",
    [tenantId, journalId, again.map(({ header }) => header.number)],
  );
  const stored = new Map(rows.map(({ number, header }) => [number, header]));
  for (const { incoming, header } of again) {
    if (stored.get(header.number)?.equals(incoming.header)) continue;
    throw new LedgerStoreError(
      "Equivocation",
      `segment ${header.number} of journal ${journalId} is stored with other content`,
    );
  }
}

/** Numbers and seqs are dense, and each header names the one before. */
function follow(head: JournalHead, fresh: readonly OpenedSegment[]): JournalHead {
  let at = head;
  for (const { header, hash } of fresh) {
    const previous = at.previous && Buffer.from(at.previous).toString("base64url");
    if (header.number !== at.number) {
      throw new LedgerStoreError(
        "OutOfOrder",
        `segment ${header.number} of journal ${header.journal}: number ${at.number} comes next`,
      );
    }
    if (header.first !== at.seq || header.previous !== previous) {
      throw refused(header, "it does not go on where the one before ended");
    }
    at = { number: at.number + 1, seq: at.seq + header.count, previous: hash };
  }
  return at;
}

/** Each record names the leaf of its session's record before it. */
async function checkLinks(tx: Tx, tenantId: string, journalId: string, fresh: readonly OpenedSegment[]): Promise<void> {
  const sessions = new Set(fresh.flatMap(({ records }) => records.flatMap(({ record }) => record.session ?? [])));
  const last = await lastLeaves(tx, tenantId, journalId, [...sessions]);
  for (const { header, records } of fresh) {
    for (const { record, leaf } of records) {
      if (record.session === undefined) continue;
      if (record.prev !== last.get(record.session)?.toString("base64url")) {
        throw refused(header, `record ${record.id}: it does not name its session's record before it`);
      }
      last.set(record.session, leaf);
    }
  }
}

function unknown(journalId: string): LedgerStoreError {
  return new LedgerStoreError("JournalUnknown", `there is no journal ${journalId} of this tenant`);
}
