import type { Begin, Event } from "@heauth/protocol";

/** How far the events of each tenant have come, from stream to stream. */
export interface Places {
  /** The store that the cursors are of; empty at first. */
  readonly store: string;
  cursors(): { tenant: string; seq: bigint }[];
  cursorOf(tenant: string): bigint | undefined;
  /** Whether the store is another one than before; then the cursors are gone. */
  enter(store: string): boolean;
  /** Whether events were missed since the last stream. */
  begin(begin: Begin): boolean;
  /** False when the event is not the next one: then its tenant's place is lost. */
  step(event: Event): boolean;
}

export function createPlaces(): Places {
  const cursors = new Map<string, bigint>();
  let current = "";

  return {
    get store() {
      return current;
    },
    cursors: () => [...cursors].map(([tenant, seq]) => ({ tenant, seq })),
    cursorOf: (tenant) => cursors.get(tenant),
    enter(store) {
      const changed = current !== "" && current !== store;
      if (changed) cursors.clear();
      current = store;
      return changed;
    },
    begin({ tenant, seq }) {
      const missed = cursors.get(tenant) !== seq;
      cursors.set(tenant, seq);
      return missed;
    },
    step({ tenant, seq }) {
      const cursor = cursors.get(tenant);
      if (cursor === undefined || seq !== cursor + 1n) {
        cursors.delete(tenant);
        return false;
      }
      cursors.set(tenant, seq);
      return true;
    },
  };
}
