import { publicKeyOf } from "@heauth/core/ledger";
import { type Part, pause } from "@heauth/program";
import { type App, createApp } from "./app.ts";
import { createCounts } from "./counts.ts";
import { createForgetfulCounters } from "./login/forgetful-counters.ts";
import { createHashing } from "./login/hashing.ts";
import type { IdentityParts, Workshop } from "./parts.ts";

/** For the ends of this run's journals, after the last answer. */
const JOURNALS_WITHIN_MS = 5_000;

/** Identity, composed. It listens to nothing: whoever starts it lets `app` listen, or injects requests. */
export interface Identity extends Part {
  readonly app: App;
  /**
   * Is not ready any more, answers for `drainMs` whoever still comes, then what is under way, at the deadline cuts it off, then ends
   * this run's journals. The database stays open: whoever opened it closes it.
   */
  stop(deadline: AbortSignal): Promise<void>;
}

/**
 * Composes identity from its parts.
 *
 * @example
 * const identity = await createIdentity(parts);
 * await identity.start();
 * await identity.app.listen({ host, port });
 */
export async function createIdentity(parts: IdentityParts): Promise<Identity> {
  const { config, programKey, formerKeys, database, ledgerWriter, health, metrics, drainMs = 0 } = parts;
  const workshop: Workshop = {
    ...parts,
    counts: createCounts(metrics),
    hashing: createHashing({ threads: config.hashingThreads, queue: config.hashingQueue }),
    absentTenants: createForgetfulCounters(),
    identityKeys: new Map([...(formerKeys ?? []), [programKey.id, publicKeyOf(programKey.publicKey)]]),
  };
  const leaving = new AbortController();
  const app = await createApp(workshop, leaving.signal);
  return {
    name: "identity",
    app,
    async start() {
      await app.ready();
    },
    async stop(deadline) {
      health.drain();
      leaving.abort();
      // Cut short by the deadline.
      if (app.server.listening) await pause(drainMs, deadline).catch(() => {});
      const cutOff = () => app.server.closeAllConnections();
      if (deadline.aborted) cutOff();
      deadline.addEventListener("abort", cutOff, { once: true });
      try {
        await app.close();
      } finally {
        deadline.removeEventListener("abort", cutOff);
      }
      // Who dawdled may have used up the deadline; a journal without its end would look like a crash.
      await ledgerWriter.close(database, AbortSignal.timeout(JOURNALS_WITHIN_MS));
    },
  };
}
