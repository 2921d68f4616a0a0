import type { InstalledCluster } from "../install/installed.ts";
import { must } from "../must.ts";
import { podsOf } from "./kill.ts";
import type { Program } from "./without.ts";

const PORT = 8443;
/** Asks each address without trusting anybody, and prints a JSON list of the certificates' serial numbers. */
const SCRIPT = `
const ask = (host) => new Promise((resolve, reject) => {
  const socket = require("node:tls").connect({ host, port: ${PORT}, rejectUnauthorized: false }, () => {
    resolve(socket.getPeerX509Certificate().serialNumber);
    socket.destroy();
  });
  socket.on("error", reject);
});
Promise.all(process.argv.slice(1).map(ask)).then((all) => console.log(JSON.stringify(all)));
`;

/** Serial numbers of the certificates that a program's pods show now, each once. */
export async function servedBy(cluster: InstalledCluster, program: Program): Promise<readonly string[]> {
  const pods = await podsOf(cluster, cluster.namespace, `app.kubernetes.io/component=${program}`);
  const exec = [`--namespace=${cluster.namespace}`, "exec", "deployment/heauth-cli", "--", "node", "--eval", SCRIPT];
  const serials = JSON.parse(await must(cluster.kubectl([...exec, ...pods.map(({ ip }) => ip)])));
  return [...new Set<string>(serials)];
}
