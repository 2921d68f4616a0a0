import type { AddressInfo } from "node:net";
import { createIdentity, type Identity } from "@heauth/identity";
import { formatHostPort, inOrder, type Part, type ProgramContext, ProgramError, systemClock } from "@heauth/program";
import { LedgerWriter } from "@heauth/store";
import { deferred } from "../cluster/deferred.ts";
import { openProgramDatabase } from "../cluster/open-database.ts";
import { measurePools } from "../cluster/pools.ts";
import { watchedCertificate } from "../cluster/server-certificate.ts";
import { publicKeysOf, readPinnedProgramKey, readServerSecrets } from "../keys/read-key.ts";
import type { IdentityProgramConfig } from "./config.ts";

/** Identity as a program: waits for its database and its schema, then serves the API until it is stopped. */
export async function composeIdentity(context: ProgramContext<IdentityProgramConfig>): Promise<Part[]> {
  const { config, logs, metrics, health } = context;
  const { own: programKey, pinned } = await readPinnedProgramKey(config, "identity");
  const serverSecrets = await readServerSecrets(config.serverSecrets);
  const { tlsCert, tlsKey } = config;
  const certificate =
    tlsCert === undefined || tlsKey === undefined ? undefined : watchedCertificate({ tlsCert, tlsKey }, context);
  let waitingFor: string | undefined = "the database has not been asked yet";
  health.addReady("database", () => waitingFor);

  const program = deferred("identity", async (stopping) => {
    const own = { role: "heauth_identity", applicationName: "heauth identity" } as const;
    const onState = (why: string | undefined) => {
      waitingFor = why;
    };
    const database = await openProgramDatabase({ url: config.database, ...own }, { log: logs.log, stopping, onState });
    measurePools(metrics, new Map([["identity", database] as const]));
    const identity = await createIdentity({
      config,
      database,
      ledgerWriter: new LedgerWriter({ program: "identity", programKey, now: () => systemClock.wallMicros() }),
      programKey,
      formerKeys: publicKeysOf("identity", pinned),
      serverSecrets,
      certificate,
      drainMs: config.drain,
      clock: systemClock,
      log: logs.log,
      metrics,
      health,
    });
    const connections: Part = { name: "database", start: async () => {}, stop: () => database.stop() };
    return inOrder("identity", [connections, listening(identity, context)], logs.log);
  });
  return certificate === undefined ? [program] : [certificate, program];
}

function listening(identity: Identity, { config, logs }: ProgramContext<IdentityProgramConfig>): Part {
  const { listen, tlsCert } = config;
  return {
    name: "identity's API",
    async start() {
      await identity.start();
      await identity.app.listen(listen).catch((cause) => {
        throw new ProgramError("StartFailed", `cannot listen on ${formatHostPort(listen)}`, { cause });
      });
      const { address: host, port } = identity.app.server.address() as AddressInfo;
      logs.log.info(`identity at ${tlsCert === undefined ? "http" : "https"}://${formatHostPort({ host, port })}`);
    },
    stop: (deadline) => identity.stop(deadline),
  };
}
