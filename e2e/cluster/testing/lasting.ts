import type { InstalledCluster } from "../install/installed.ts";
import { must } from "../must.ts";

const UIDS = "jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.uid}{'\\n'}{end}";
const LISTED = "crd,tenants,authpolicies,persistentvolumeclaims,secrets,configmaps";

/** What a release keeps in its own namespace, from the first version on: who loses one of these loses data. */
export const LASTING = [
  "CustomResourceDefinition/tenants.heauth.io",
  "CustomResourceDefinition/authpolicies.heauth.io",
  "PersistentVolumeClaim/data-heauth-postgres-0",
  ...["owner", "operator", "hub", "identity"].map((name) => `Secret/heauth-database-${name}`),
  ...["identity", "hub", "operator", "cli"].map((name) => `Secret/heauth-keys-${name}`),
  "ConfigMap/heauth-ledger-keys",
  "Secret/heauth-webhook-certificates",
];

/** The uid of each of these objects (`Kind/name`), wherever it is; undefined where it is not. A new uid is another object. */
export async function uidsOf(
  cluster: InstalledCluster,
  names: readonly string[],
): Promise<Readonly<Record<string, string | undefined>>> {
  const lines = (await must(cluster.kubectl(["get", LISTED, "--all-namespaces", `--output=${UIDS}`]))).split("\n");
  const uids = new Map(lines.map((line) => line.split(" ") as [string, string]));
  return Object.fromEntries(names.map((name) => [name, uids.get(name)]));
}
