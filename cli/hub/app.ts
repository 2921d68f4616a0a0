import { callersOfCluster, createHub } from "@heauth/hub";
import { inOrder, type Part, type ProgramContext, systemClock } from "@heauth/program";
import { openCluster } from "@heauth/program/kubernetes";
import { deferred } from "../cluster/deferred.ts";
import { openProgramDatabase } from "../cluster/open-database.ts";
import { measurePools } from "../cluster/pools.ts";
import { watchedCertificate } from "../cluster/server-certificate.ts";
import { readProgramKey } from "../keys/read-key.ts";
import { goodbyesMs, type HubConfig } from "./config.ts";

/** As in standalone: a database that hangs must not hold the hub longer than the shortest staleness that anybody would ask for. */
const STATEMENT_TIMEOUT_MS = 3_000;

/** The hub of a cluster: knows sidecars by their pods' tokens, and serves them by TLS. */
export async function composeHub({ config, logs, metrics, health }: ProgramContext<HubConfig>): Promise<Part[]> {
  const { kubeconfig, database: url, listen } = config;
  const log = logs.log;
  const programKey = await readProgramKey(config.programKey, "hub");
  const { client } = await openCluster({ kubeconfig });
  const callers = callersOfCluster({ client, clock: systemClock, log: logs.part("callers"), metrics });
  const identity = watchedCertificate(config, { logs, metrics, health });
  let notReady: () => string | undefined = () => "the hub has not started yet";
  health.addReady("hub", () => notReady());

  const hub = deferred("hub", async (stopping) => {
    const own = { role: "heauth_hub", applicationName: "heauth hub", statementTimeout: STATEMENT_TIMEOUT_MS } as const;
    const onState = (why: string | undefined) => {
      notReady = () => why;
    };
    const database = await openProgramDatabase({ url, ...own }, { log, stopping, onState });
    measurePools(metrics, new Map([["hub", database]]));
    const running = createHub({
      database,
      programKey,
      doors: [{ listen, identity, callers }],
      clock: systemClock,
      log,
      metrics,
      goodbyesMs: goodbyesMs(config),
    });
    notReady = running.notReady;
    const closing: Part = { name: "database", start: async () => {}, stop: () => database.stop() };
    return inOrder("hub", [closing, running], log);
  });
  return [identity, hub];
}
