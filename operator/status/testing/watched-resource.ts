import { createLogs } from "@heauth/program";
import { AUTH_POLICIES, type ClusterClient, TENANTS } from "@heauth/program/kubernetes";
import type { EventText, Regarding } from "../../runtime/events.ts";
import { keptResource, type ResourceObject } from "../../source/kubernetes/kept-resource.ts";
import type { ResourceKey } from "../../source/source.ts";
import { policyObject, tenantObject } from "../../testing/kube-objects.ts";

const { log } = createLogs({ program: "test", level: "silent" });
let count = 0;

/** A resource on a real API server, what was seen of it last, and what was told of it. */
export class WatchedResource {
  readonly client: ClusterClient;
  key: ResourceKey = { kind: "Tenant", namespace: "", name: `acme-${count++}` };
  nowMs = Date.UTC(2026, 0, 1);
  events: { regarding: Regarding; event: EventText }[] = [];
  /** What an informer would have seen, where it is behind. */
  seen: ResourceObject | undefined;

  private constructor(client: ClusterClient) {
    this.client = client;
  }

  /** A new Tenant. */
  static async tenant(client: ClusterClient): Promise<WatchedResource> {
    const resource = new WatchedResource(client);
    await client.create(TENANTS, tenantObject(resource.key.name));
    await resource.look();
    return resource;
  }

  /** Is a new AuthPolicy from now on. */
  async becomePolicy(): Promise<void> {
    this.key = { kind: "AuthPolicy", namespace: "default", name: this.key.name };
    await this.client.create(AUTH_POLICIES, policyObject("default", this.key.name));
    await this.look();
  }

  /** For what writes into it. */
  get options() {
    return {
      client: this.client,
      kept: ({ kind }: ResourceKey) => (this.seen === undefined ? undefined : keptResource(kind)(this.seen)),
      events: { record: (regarding: Regarding, event: EventText) => void this.events.push({ regarding, event }) },
      log,
      nowMs: () => this.nowMs,
    };
  }

  get place() {
    const { namespace, name } = this.key;
    return namespace === "" ? { name } : { namespace, name };
  }

  live(): Promise<ResourceObject> {
    return this.client.get<ResourceObject>(this.key.kind === "Tenant" ? TENANTS : AUTH_POLICIES, this.place);
  }

  async look(): Promise<void> {
    this.seen = await this.live();
  }

  async version(): Promise<string | undefined> {
    return (await this.live()).metadata.resourceVersion;
  }
}
