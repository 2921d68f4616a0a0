import { setTimeout as pause } from "node:timers/promises";
import type { OperatorRig } from "../operator-rig.ts";
import type { Tenancy } from "./tenancy.ts";
import { startWatched, type WatchedOperator, type Write } from "./writes.ts";

/** The n-th write of a name, and when: before the API server or the database has it, or after. */
export interface Point {
  readonly when: "before" | "after";
  readonly name: string;
  readonly nth: number;
}

/** A leader that can be killed in the middle of what it writes, and always one that waits to take over. */
export interface Succession {
  /** How long it took from each kill until the next one led, in ms. */
  readonly takeoversMs: readonly number[];
  /** The points that the leader comes to for this tenancy while something is done. */
  pointsOf(it: Tenancy, act: () => Promise<unknown>): Promise<Point[]>;
  /** Does it, and kills the leader at the point; then the next one leads. @returns whether it came to the point */
  killAt(it: Tenancy, point: Point, act: () => Promise<void>): Promise<boolean>;
  /** Resolves when the one that waits could take over. */
  ready(): Promise<void>;
  stop(): Promise<void>;
}

const REACHED_WITHIN_MS = 30_000;

export async function startSuccession(rig: OperatorRig): Promise<Succession> {
  const started: Promise<WatchedOperator>[] = [];
  const takeoversMs: number[] = [];

  function start(): Promise<WatchedOperator> {
    const operator = startWatched(rig);
    started.push(operator);
    return operator;
  }
  async function stop(): Promise<void> {
    await Promise.all(started.map((each) => each.then((operator) => operator.stop()).catch(() => {})));
  }

  let leader = await start();
  let next: Promise<WatchedOperator>;
  try {
    await leader.operator.said(({ msg }) => msg === "leads from now on");
    next = start();
    await next;
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    takeoversMs,
    async pointsOf(it, act) {
      const counts = new Map<string, number>();
      const points: Point[] = [];
      leader.onWrite({
        before(write) {
          if (!concerns(it, write)) return;
          const nth = (counts.get(write.name) ?? 0) + 1;
          counts.set(write.name, nth);
          points.push({ when: "before", name: write.name, nth }, { when: "after", name: write.name, nth });
        },
      });
      await act();
      leader.onWrite();
      return points;
    },
    async killAt(it, { when, name, nth }, act) {
      const { promise: died, resolve: dead } = Promise.withResolvers<true>();
      let count = 0;
      const killed = leader;
      killed.onWrite({
        [when]: async (write: Write) => {
          if (write.name !== name || !concerns(it, write)) return;
          count += 1;
          if (count !== nth) return;
          await killed.operator.stop("SIGKILL");
          dead(true);
          throw new Error("whoever asked is dead");
        },
      });
      await act();
      const reached = await Promise.race([died, pause(REACHED_WITHIN_MS, false, { ref: false })]);
      killed.onWrite();
      if (!reached) return false;
      const began = performance.now();
      leader = await next;
      next = start();
      await leader.operator.said(({ msg }) => msg === "leads from now on");
      takeoversMs.push(performance.now() - began);
      void killed.stop();
      // What it does about everything that there is must not be taken for what comes of the next change.
      await leader.operator.said(({ msg }) => msg === "everything has been reconciled once");
      return true;
    },
    async ready() {
      await (await next).operator.ready();
    },
    stop,
  };
}

function concerns(it: Tenancy, { path }: Write): boolean {
  if (/\/configmaps\/./.test(path)) return path.includes(it.id);
  return !/\/(tenants|authpolicies)\//.test(path) || path.includes(`/${it.name}/`) || path.includes(`/${it.name}?`);
}
