import { setTimeout as pause } from "node:timers/promises";
import { type OwnServer, startOwnServer } from "@heauth/store/testing";
import { goOn, hang } from "../../faults/hanging.ts";

/** A PostgreSQL of the test's own, which can be away in two ways. */
export interface OwnPostgres extends OwnServer {
  /** Stopped in order, with every connection broken off, and started again. */
  stoppedFor(ms: number, meanwhile: () => Promise<void>): Promise<void>;
  /** SIGSTOP of every process of it: connections stand, and nobody answers. */
  hungFor(ms: number, meanwhile: () => Promise<void>): Promise<void>;
}

export async function startOwnPostgres(): Promise<OwnPostgres> {
  const server = await startOwnServer();
  const { postgres } = server;

  async function away(ms: number, meanwhile: () => Promise<void>, back: () => Promise<void>): Promise<void> {
    const until = performance.now() + ms;
    try {
      await meanwhile();
      await pause(Math.max(0, until - performance.now()));
    } finally {
      await back();
    }
  }

  function pid(): number {
    if (postgres.pid === undefined) throw new Error("PostgreSQL does not run");
    return postgres.pid;
  }

  return {
    ...server,
    async stoppedFor(ms, meanwhile) {
      await postgres.stop();
      await away(ms, meanwhile, () => postgres.start());
    },
    async hungFor(ms, meanwhile) {
      await hang(pid());
      await away(ms, meanwhile, () => goOn(pid()));
    },
  };
}
