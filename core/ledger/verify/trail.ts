import type { JournalRange } from "../record/types.ts";
import { HeldLeaves } from "./held-leaves.ts";
import type { FoundAt } from "./report.ts";

/** A session's chain in one journal. */
export type Link = {
  /** base64url leaf of the last record; undefined when there is none yet */
  last: string | undefined;
  /** the segment that the last record is in */
  number: number;
  readonly held: HeldLeaves;
};

/** An amendment that is not settled yet. */
export type OpenAmendment = { readonly range: JournalRange; readonly block: number; readonly place: FoundAt };

/** What is known of a session while it is open, or while late records of it wait for their amendment. */
export type Trail = {
  readonly first: FoundAt;
  readonly links: Map<string, Link>;
  opened: boolean;
  /** when, µs, as its `session.open` says */
  openedAt: number | undefined;
  /** what its `session.close` says */
  closing: { readonly at: number; readonly reason: string | undefined } | undefined;
  /** a record of it was altered: what that one said is unknown */
  uncertain: boolean;
  /** its closed block's number, once that was met */
  block: number | undefined;
  leaves: number;
  amendments: OpenAmendment[];
};

export function newTrail(first: FoundAt): Trail {
  return {
    first,
    links: new Map(),
    opened: false,
    openedAt: undefined,
    closing: undefined,
    uncertain: false,
    block: undefined,
    leaves: 0,
    amendments: [],
  };
}

export function linkOf(trail: Trail, journal: string): Link {
  let link = trail.links.get(journal);
  if (link === undefined) {
    link = { last: undefined, number: 0, held: new HeldLeaves() };
    trail.links.set(journal, link);
  }
  return link;
}

/** Does nothing wait here any more? */
export function isSettled(trail: Trail): boolean {
  return trail.amendments.length === 0 && [...trail.links.values()].every(({ held }) => held.count === 0);
}
