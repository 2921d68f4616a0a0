type Lead = (lost: AbortSignal) => Promise<void>;

/** What a leader does, in several pieces: when one of them ends, the others are to end too. Rejects, once all have ended, when one did. */
export function leadTogether(...pieces: readonly Lead[]): Lead {
  return async (lost) => {
    const over = new AbortController();
    const until = AbortSignal.any([lost, over.signal]);
    const ends = await Promise.allSettled(pieces.map(async (lead) => await lead(until).finally(() => over.abort())));
    const failed = ends.find((end) => end.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  };
}
