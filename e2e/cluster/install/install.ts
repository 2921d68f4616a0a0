import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster } from "../cluster.ts";
import { must } from "../must.ts";
import type { Images } from "./images.ts";
import { INSTALLED, type Installation } from "./installed.ts";

const CHART = join(import.meta.dirname, "../../../charts/heauth");
const NAMESPACE = "heauth-system";
const PROGRAMS = [
  "statefulset/heauth-postgres",
  ...["identity", "hub", "operator", "webhook", "cli"].map((name) => `deployment/heauth-${name}`),
];
const WITHIN = "240s";

/**
 * Installs the chart, or upgrades to it, as anybody would, with PostgreSQL embedded, and waits until all of it works. Notes beside
 * the cluster what tests need to know of it.
 */
export async function installHeauth(cluster: Cluster, images: Images): Promise<void> {
  await ensureNamespace(cluster);
  await must(
    cluster.helm(["upgrade", "--install", "heauth", CHART, `--namespace=${NAMESPACE}`, "--values=-"], values(images)),
  );
  await untilAvailable(cluster);
  const installation: Installation = { namespace: NAMESPACE, images };
  await writeFile(join(cluster.folder, INSTALLED), JSON.stringify(installation));
}

/** Pod Security's strictest level is in force before the first pod comes. */
async function ensureNamespace({ kubectl }: Cluster): Promise<void> {
  const namespace = {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: NAMESPACE, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
  };
  await must(kubectl(["apply", "--server-side", "--filename=-"], JSON.stringify(namespace)));
}

async function untilAvailable(cluster: Cluster): Promise<void> {
  const inNamespace = (...args: string[]) => cluster.kubectl([`--namespace=${NAMESPACE}`, ...args]);
  for (const program of PROGRAMS) {
    const { code, stderr } = await inNamespace("rollout", "status", program, `--timeout=${WITHIN}`);
    if (code === 0) continue;
    const pods = await must(inNamespace("get", "pods", "-o", "wide"));
    const events = await must(inNamespace("get", "events", "--sort-by=.lastTimestamp"));
    const logs = await inNamespace("logs", program, "--all-pods=true", "--all-containers", "--tail=20");
    throw new Error([`${program}: ${stderr}`, pods, events.split("\n").slice(-30).join("\n"), logs.stdout].join("\n"));
  }
}

/** Requests are small, so that many pods of tests fit beside. */
function values({ heauth, envoy, postgres }: Images): string {
  const [repository, tag] = heauth.split(/:(?=[^:/]+$)/);
  const resources = { requests: { cpu: "10m", memory: "64Mi" } };
  return JSON.stringify({
    image: { repository, tag },
    cli: { enabled: true, resources },
    injection: { envoyImage: envoy, resources: { redirect: resources, heauth: resources, envoy: resources } },
    postgres: { embedded: { enabled: true, image: postgres, resources } },
    ...Object.fromEntries(
      ["operator", "webhook", "hub", "identity", "keys", "migrate"].map((name) => [name, { resources }]),
    ),
  });
}
