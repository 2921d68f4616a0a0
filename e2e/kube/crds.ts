import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pause } from "@heauth/program";
import { type ClusterClient, isClusterError, type KubeObject, type ResourceType } from "@heauth/program/kubernetes";
import { parse } from "yaml";

const FOLDER = join(import.meta.dirname, "../../crds");
const ESTABLISHED_WITHIN_MS = 30_000;
const LOOK_AGAIN_MS = 50;

const CRDS: ResourceType = {
  group: "apiextensions.k8s.io",
  version: "v1",
  plural: "customresourcedefinitions",
  kind: "CustomResourceDefinition",
  namespaced: false,
};

interface Definition extends KubeObject {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly plural: string; readonly kind: string };
    readonly versions: readonly [{ readonly name: string }];
  };
}

/** Creates every CustomResourceDefinition in crds/, and waits until the API server serves it. */
export async function createCrds(client: ClusterClient): Promise<void> {
  const files = (await readdir(FOLDER)).filter((name) => name.endsWith(".yaml"));
  await Promise.all(
    files.map(async (name) => {
      const definition: Definition = parse(await readFile(join(FOLDER, name), "utf8"));
      await client.create(CRDS, definition).catch(unlessThere);
      await untilServed(client, definition);
    }),
  );
}

/** A folder that was given may hold what a former run has created. */
function unlessThere(error: unknown): void {
  if (!isClusterError(error, "AlreadyExists")) throw error;
}

async function untilServed(client: ClusterClient, { spec }: Definition): Promise<void> {
  const type = { group: spec.group, version: spec.versions[0].name, ...spec.names, namespaced: false };
  const signal = AbortSignal.timeout(ESTABLISHED_WITHIN_MS);
  for (;;) {
    const found = await client.list(type, { limit: 1 }, { signal }).catch((error) => {
      if (!isClusterError(error, "NotFound")) throw error;
    });
    if (found !== undefined) return;
    await pause(LOOK_AGAIN_MS, signal);
  }
}
