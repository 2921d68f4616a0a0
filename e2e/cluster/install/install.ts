import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster } from "../cluster.ts";
import { must } from "../must.ts";
import type { Images } from "./images.ts";
import { INSTALLED, type Installation } from "./installed.ts";
import { createSecrets } from "./interim-secrets.ts";

const CHART = join(import.meta.dirname, "../../../charts/heauth");
const NAMESPACE = "heauth-system";
const WITHIN = "300s";

/**
 * Installs the chart, or upgrades to it, as anybody would, with PostgreSQL embedded, and waits until all of it works. Notes beside
 * the cluster what tests need to know of it.
 */
export async function installHeauth(cluster: Cluster, images: Images): Promise<void> {
  await ensureNamespace(cluster);
  await createSecrets(cluster, NAMESPACE);
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

async function untilAvailable({ kubectl }: Cluster): Promise<void> {
  const inNamespace = (...args: string[]) => must(kubectl([`--namespace=${NAMESPACE}`, ...args]));
  await inNamespace("rollout", "status", "statefulset/heauth-postgres", `--timeout=${WITHIN}`);
  for (const program of ["identity", "hub", "operator", "webhook"]) {
    await inNamespace("rollout", "status", `deployment/heauth-${program}`, `--timeout=${WITHIN}`);
  }
}

/** Requests are small, so that many pods of tests fit beside. */
function values({ heauth, postgres }: Images): string {
  const [repository, tag] = heauth.split(/:(?=[^:/]+$)/);
  const resources = { requests: { cpu: "10m", memory: "64Mi" } };
  return JSON.stringify({
    image: { repository, tag },
    postgres: { embedded: { enabled: true, image: postgres, resources } },
    ...Object.fromEntries(["operator", "webhook", "hub", "identity", "migrate"].map((name) => [name, { resources }])),
  });
}
