import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster } from "../cluster.ts";
import { attachCluster } from "../index.ts";
import type { Images } from "./images.ts";

/** The file, in a cluster's folder, that tells of the installation. */
export const INSTALLED = "installed.json";

/** heauth in a cluster. */
export interface Installation {
  /** The release's. */
  readonly namespace: string;
  readonly images: Images;
}

/** A cluster in which heauth is installed. */
export type InstalledCluster = Cluster & Installation;

/** The cluster of the whole test run, or the one that HEAUTH_E2E_NODE names by its folder. It stays when a test ends. */
export async function installedCluster(): Promise<InstalledCluster> {
  const folder = process.env["HEAUTH_E2E_NODE"];
  if (folder === undefined) throw new Error("HEAUTH_E2E_NODE is not set: run this with `npm run e2e`");
  const installation: Installation = JSON.parse(await readFile(join(folder, INSTALLED), "utf8"));
  return { ...(await attachCluster(folder)), ...installation };
}
