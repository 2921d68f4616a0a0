import { packPrivateParts } from "./record/pack.ts";
import type { StoredSessionPart } from "./verify/source.ts";

/** A segment's record as far as its session row needs it, at its index in the segment. */
export type PartRecord = {
  readonly session: string | undefined;
  readonly leaf: Uint8Array;
  /** salt ‖ private bytes */
  readonly private: Uint8Array | undefined;
};

/** The rows beside a segment: for each session that it touches (and for its records of none), in order of first appearance. */
export function sessionParts(records: readonly PartRecord[]): StoredSessionPart[] {
  const bySession = new Map<string | undefined, number[]>();
  records.forEach(({ session }, position) => {
    const positions = bySession.get(session);
    if (positions === undefined) bySession.set(session, [position]);
    else positions.push(position);
  });
  return [...bySession].map(([session, positions]) => ({
    session,
    positions,
    leaves: Buffer.concat(positions.flatMap((position) => records[position]?.leaf ?? [])),
    private: packPrivateParts(
      positions.flatMap((index) => {
        const salted = records[index]?.private;
        return salted === undefined ? [] : [{ index, salted }];
      }),
    ),
  }));
}
