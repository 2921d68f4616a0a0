import { type Cluster, startCluster } from "../e2e/cluster/index.ts";
import { buildImages } from "../e2e/cluster/install/images.ts";
import { installHeauth } from "../e2e/cluster/install/install.ts";
import { running } from "./cluster-running.ts";

const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** jest's globalSetup: one cluster with heauth for the whole run, unless HEAUTH_E2E_NODE names one. */
export default async function start(): Promise<void> {
  if (process.env["HEAUTH_E2E_NODE"] !== undefined) return;
  const cluster = await startCluster();
  running.cluster = cluster;
  endWithUs(cluster);
  try {
    await installHeauth(cluster, await buildImages(cluster));
  } catch (error) {
    // jest does not come to its globalTeardown then.
    await cluster.stop();
    throw error;
  }
  process.env["HEAUTH_E2E_NODE"] = cluster.folder;
}

/** Neither does it after a signal. */
function endWithUs(cluster: Cluster): void {
  for (const [signal, code] of Object.entries(SIGNALS)) {
    process.once(signal, () => void cluster.stop().finally(() => process.exit(code)));
  }
}
