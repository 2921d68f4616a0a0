// `node e2e/cluster/keep.ts`: a cluster with heauth, for developing; it stays until Ctrl-C. Tests use it instead of one of their own by
// `HEAUTH_E2E_NODE=FOLDER npm run e2e -- FILE`. With HEAUTH_E2E_NODE and `--reinstall`: brings that one to the sources as they are now.

import { attachCluster, type Cluster, startCluster } from "./index.ts";
import { buildImages } from "./install/images.ts";
import { installHeauth } from "./install/install.ts";

const folder = process.env["HEAUTH_E2E_NODE"];
const reinstall = process.argv.includes("--reinstall");
if (reinstall !== (folder !== undefined)) {
  throw new Error("usage: node e2e/cluster/keep.ts, or HEAUTH_E2E_NODE=FOLDER node e2e/cluster/keep.ts --reinstall");
}

if (folder === undefined) await keep(await startCluster());
else await install(await attachCluster(folder));

async function keep(cluster: Cluster): Promise<void> {
  const { promise: end, resolve: tellEnd } = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => tellEnd());
  console.log(`HEAUTH_E2E_NODE=${cluster.folder}`);
  const staying = setInterval(() => {}, 60_000);
  try {
    // What goes wrong with the sources of this minute may go right with those of the next.
    void install(cluster).catch((error: unknown) => console.error(error));
    await end;
  } finally {
    clearInterval(staying);
    await cluster.stop();
  }
}

async function install(cluster: Cluster): Promise<void> {
  await installHeauth(cluster, await buildImages(cluster));
  console.log(`installed; kubectl --kubeconfig ${cluster.kubeconfig}`);
}
