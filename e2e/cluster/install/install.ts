import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster } from "../cluster.ts";
import { must } from "../must.ts";
import type { Images } from "./images.ts";
import { INSTALLED, type Installation } from "./installed.ts";

export const CHART = join(import.meta.dirname, "../../../charts/heauth");
export const NAMESPACE = "heauth-system";
/** By their Deployments. */
export const PROGRAMS = ["identity", "hub", "operator", "webhook"];
const WITHIN = "240s";

/**
 * Installs the chart, or upgrades to it, as anybody would, with PostgreSQL embedded, and waits until all of it works. Notes beside
 * the cluster what tests need to know of it.
 */
export async function installHeauth(cluster: Cluster, images: Images): Promise<void> {
  await ensureNamespace(cluster);
  const values = JSON.stringify(valuesOf(images));
  await must(cluster.helm(["upgrade", "--install", "heauth", CHART, `--namespace=${NAMESPACE}`, "--values=-"], values));
  await untilAvailable(cluster, [...PROGRAMS, "cli"]);
  const installation: Installation = { namespace: NAMESPACE, images };
  await writeFile(join(cluster.folder, INSTALLED), JSON.stringify(installation));
}

/** Pod Security's strictest level is in force before the first pod comes. */
export async function ensureNamespace({ kubectl }: Cluster): Promise<void> {
  const namespace = {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: NAMESPACE, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
  };
  await must(kubectl(["apply", "--server-side", "--filename=-"], JSON.stringify(namespace)));
}

/** Waits for PostgreSQL and these Deployments; rejects with what can be known of why one does not come. */
export async function untilAvailable(cluster: Cluster, deployments: readonly string[]): Promise<void> {
  const inNamespace = (...args: string[]) => cluster.kubectl([`--namespace=${NAMESPACE}`, ...args]);
  for (const program of ["statefulset/heauth-postgres", ...deployments.map((name) => `deployment/heauth-${name}`)]) {
    const { code, stderr } = await inNamespace("rollout", "status", program, `--timeout=${WITHIN}`);
    if (code === 0) continue;
    const pods = await must(inNamespace("get", "pods", "-o", "wide"));
    const events = await must(inNamespace("get", "events", "--sort-by=.lastTimestamp"));
    const logs = await inNamespace("logs", program, "--all-pods=true", "--all-containers", "--tail=20");
    throw new Error([`${program}: ${stderr}`, pods, events.split("\n").slice(-30).join("\n"), logs.stdout].join("\n"));
  }
}

/** The chart's values. Requests are small, so that many pods of tests fit beside. */
export function valuesOf({ heauth, envoy, postgres }: Images): Readonly<Record<string, object>> {
  const [repository, tag] = heauth.split(/:(?=[^:/]+$)/);
  const resources = { requests: { cpu: "10m", memory: "64Mi" } };
  return {
    image: { repository, tag },
    cli: { enabled: true, resources },
    injection: {
      envoyImage: envoy,
      walClaims: true,
      resources: { redirect: resources, heauth: resources, envoy: resources },
    },
    postgres: { embedded: { enabled: true, image: postgres, resources } },
    ...Object.fromEntries([...PROGRAMS, "keys", "migrate"].map((name) => [name, { resources }])),
  };
}
