import type { Gap } from "./record/types.ts";

/**
 * Why a `gap` says that records may be missing when a sidecar's journal ended without its `journal.close`, and its pod is gone: nobody
 * can know whether there were more. A `journal.close` that comes all the same shows that all are there, and fills it.
 */
export const JOURNAL_LOST = "JournalLost";

/**
 * What a `gap` tells of, for people: `4 records of journal 0192… from seq 17 on`.
 * @param pod whose journal it is, where that is known
 */
export function describeGap({ journal, from, lost }: Gap, pod?: string): string {
  const many = lost === undefined ? "an unknown number of records, perhaps none," : `${lost} records`;
  const whose = pod === undefined ? "" : ` of pod ${pod}`;
  return `${many} of journal ${journal}${whose} from seq ${from} on`;
}
