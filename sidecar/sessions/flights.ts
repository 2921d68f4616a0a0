import type { Instant } from "@heauth/program";
import { CallError } from "@heauth/protocol";
import type { SessionAnswer, SessionSource } from "./session.ts";
import type { Epoch, Vouching } from "./vouching.ts";

/** A look-up's answer, with what it is to be judged by. */
export interface Landing {
  readonly tenant: string;
  readonly answer: SessionAnswer;
  readonly askedAt: Instant;
  /** The epoch in which it was asked for. */
  readonly epoch: Epoch;
}

/** Look-ups under way: one per session, however many wait for it. */
export interface Flights {
  /** Resolves once `land` has taken the answer in; rejects with a `CallError` when there is none. */
  read(tenant: string, session: string): Promise<void>;
  /** An event told of the session's generation: an answer below it, still on its way, was read before the change. */
  fence(session: string, generation: bigint): void;
  /** What is on its way is of another store: nobody takes it in. */
  abandon(): void;
}

interface Flight {
  readonly landed: Promise<void>;
  fence: bigint;
}

/** How often an answer that an event has overtaken is asked for again. */
const MAX_READS = 3;

export function createFlights(source: SessionSource, vouching: Vouching, land: (landing: Landing) => void): Flights {
  const flights = new Map<string, Flight>();

  async function fly(tenant: string, session: string, flight: () => Flight): Promise<void> {
    for (let reads = 0; reads < MAX_READS; reads++) {
      const epoch = vouching.epochOf(tenant);
      const { answer, askedAt } = await source.lookUp(tenant, session);
      if (flights.get(session) !== flight()) throw new CallError("ABORTED", "the store has changed");
      if (answer.status !== "Open" || answer.generation >= flight().fence) {
        return land({ tenant, answer, askedAt, epoch });
      }
    }
    throw new CallError("UNAVAILABLE", "the hub's answers are behind its events");
  }

  return {
    read(tenant, session) {
      const known = flights.get(session);
      if (known !== undefined) return known.landed;
      const landed = fly(tenant, session, () => flight).finally(() => {
        if (flights.get(session) === flight) flights.delete(session);
      });
      const flight: Flight = { landed, fence: 0n };
      flights.set(session, flight);
      return landed;
    },
    fence(session, generation) {
      const flight = flights.get(session);
      if (flight !== undefined && flight.fence < generation) flight.fence = generation;
    },
    abandon: () => flights.clear(),
  };
}
