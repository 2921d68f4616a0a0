import { type ClusterClient, CONFIG_MAPS, isClusterError, type KubeObject } from "@heauth/program/kubernetes";
import { isNewer } from "./newest.ts";
import type { AnchorKeeper } from "./store.ts";

/** core/v1 ConfigMap. */
interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

const KEY = "checkpoint";
const LABELS = { "app.kubernetes.io/managed-by": "heauth", "heauth.io/retained": "anchor" };
const ATTEMPTS = 5;

/** Keeps anchors of tenants without a resource in ConfigMaps of heauth's own namespace, `heauth-anchor-<tenant id>`. They only advance. */
export class RetainedAnchors implements AnchorKeeper {
  readonly #client: ClusterClient;
  readonly #namespace: string;

  constructor(client: ClusterClient, namespace: string) {
    this.#client = client;
    this.#namespace = namespace;
  }

  /** One that is kept already and further on stays. */
  async retain(tenantId: string, note: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        const kept = await this.#get(tenantId);
        if (kept === undefined) await this.#client.create(CONFIG_MAPS, this.#configMap(tenantId, note));
        else if (isNewer(note, kept.data?.[KEY] ?? "")) {
          const { resourceVersion = "" } = kept.metadata;
          // The version makes it a compare-and-set.
          await this.#client.replace(CONFIG_MAPS, this.#configMap(tenantId, note, { resourceVersion }));
        }
        return;
      } catch (error) {
        // Somebody else was there at the same time.
        if (!isClusterError(error, "Conflict", "AlreadyExists") || attempt >= ATTEMPTS) throw error;
      }
    }
  }

  async retained(tenantId: string): Promise<string | undefined> {
    return (await this.#get(tenantId))?.data?.[KEY];
  }

  async drop(tenantId: string): Promise<void> {
    try {
      await this.#client.remove(CONFIG_MAPS, this.#name(tenantId));
    } catch (error) {
      if (!isClusterError(error, "NotFound")) throw error;
    }
  }

  #name(tenantId: string) {
    return { namespace: this.#namespace, name: `heauth-anchor-${tenantId}` };
  }

  async #get(tenantId: string): Promise<ConfigMap | undefined> {
    try {
      return await this.#client.get<ConfigMap>(CONFIG_MAPS, this.#name(tenantId));
    } catch (error) {
      if (isClusterError(error, "NotFound")) return undefined;
      throw error;
    }
  }

  #configMap(tenantId: string, note: string, version: { readonly resourceVersion?: string } = {}): ConfigMap {
    return { metadata: { ...this.#name(tenantId), ...version, labels: LABELS }, data: { [KEY]: note } };
  }
}
