import { fileURLToPath } from "node:url";
import { createLogs, createMetrics, type Metrics, pause } from "@heauth/program";
import {
  type ClusterClient,
  CONFIG_MAPS,
  isClusterError,
  NAMESPACES,
  openCluster,
  SECRETS,
} from "@heauth/program/kubernetes";
import { createManualClock } from "@heauth/program/testing";
import { type CertificateSet, fromSecretData } from "../../certificates/certificate-set.ts";
import type { EventText, Regarding } from "../../runtime/events.ts";
import { namespaceObject } from "../../testing/kube-objects.ts";
import type { HubSecret } from "../hub-secret.ts";
import { createTrust } from "../trust.ts";
import { type ConfigMap, TRUST } from "../trust-map.ts";

/** Of the real API server that tests start. */
export interface Server {
  readonly client: ClusterClient;
  kubeconfig(user?: { readonly serviceAccount: string; readonly namespace: string }): Promise<string>;
  kubectl(args: readonly string[]): Promise<{ readonly stderr: string; readonly code: number | null }>;
}

const MANIFESTS = fileURLToPath(new URL("../../../manifests/", import.meta.url));
export const OWN = "heauth-system";
export const ACCOUNT = { serviceAccount: "heauth-operator", namespace: OWN };
export const HUB = { namespace: OWN, name: "heauth-hub-tls" };
export const AUTHORITY = { namespace: OWN, name: "heauth-hub-ca" };
export const LABEL = "heauth.io/injection";

const { log } = createLogs({ program: "test", level: "silent" });

/** Looks after trust, under the operator's own account. */
export interface Keeper {
  readonly metrics: Metrics;
  readonly events: readonly (readonly [Regarding, EventText])[];
  /** Resolves when it has looked at the Secrets once more, from the beginning. */
  looked(): Promise<void>;
  /** Another one leads from now on. Resolves when this one has ended. */
  lose(): Promise<void>;
}

/** Asks until the answer is as wanted; throws, with the last one, when it does not become so. */
export async function eventually<T>(ask: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const answer = await ask();
    if (holds(answer)) return answer;
    if (tries === 1_000) throw new Error(`it did not come to be within 50 s: ${JSON.stringify(answer)}`);
    await pause(50);
  }
}

/** A cluster with as many operators as are asked for, of which only what they do about trust runs. */
export class TrustRig {
  readonly #server: Server;
  readonly #ends: (() => Promise<void>)[] = [];
  #namespaces = 0;
  /** Of all of them. */
  clock = createManualClock(Date.now());
  ledgerKeys = "keys of today";

  constructor(server: Server) {
    this.#server = server;
  }

  /** Once for each API server. */
  async install(): Promise<void> {
    const files = ["-f", `${MANIFESTS}namespace.yaml`, "-f", `${MANIFESTS}rbac/operator.yaml`];
    const { code, stderr } = await this.#server.kubectl(["apply", ...files]);
    if (code !== 0) throw new Error(stderr);
  }

  /** @param leads whether it is the one that writes */
  async start({ leads = true } = {}): Promise<Keeper> {
    const { client } = await openCluster({ kubeconfig: await this.#server.kubeconfig(ACCOUNT) });
    const metrics = createMetrics();
    const events: [Regarding, EventText][] = [];
    let looks = 0;
    const trust = createTrust({
      client,
      namespace: OWN,
      secret: HUB.name,
      service: "heauth-hub",
      // Asked for at the end of each look.
      ledgerKeys: () => {
        looks += 1;
        return this.ledgerKeys;
      },
      events: { record: (...of) => void events.push(of) },
      replica: `test-${this.#ends.length}`,
      clock: this.clock,
      everyMs: 50,
      log,
      metrics,
    });
    const lost = new AbortController();
    await trust.start();
    const leading = leads ? trust.lead(lost.signal) : Promise.resolve();
    const lose = async () => {
      lost.abort();
      await leading;
    };
    this.#ends.push(async () => {
      await lose();
      await trust.stop(AbortSignal.timeout(5_000));
    });
    return {
      metrics,
      events,
      lose,
      async looked() {
        // The first to end may have begun before.
        const until = looks + 2;
        await eventually(
          async () => looks,
          (now) => now >= until,
        );
      },
    };
  }

  async makeNamespace(labels: Record<string, string> = { [LABEL]: "enabled" }): Promise<string> {
    this.#namespaces += 1;
    const name = `apps-${this.#namespaces}`;
    await this.#server.client.create(NAMESPACES, namespaceObject(name, labels));
    return name;
  }

  async label(name: string, value: string | null): Promise<void> {
    await this.#server.client.patch(NAMESPACES, { name }, { metadata: { labels: { [LABEL]: value } } });
  }

  map(namespace: string): Promise<ConfigMap | undefined> {
    return orUndefined(this.#server.client.get<ConfigMap>(CONFIG_MAPS, { namespace, name: TRUST }));
  }

  /** The ConfigMap once it is there. */
  async given(namespace: string): Promise<ConfigMap> {
    return (await eventually(
      () => this.map(namespace),
      (found) => found !== undefined,
    )) as ConfigMap;
  }

  /** Resolves when sidecars there are told of these authorities. */
  async trusts(namespace: string, bundle: string): Promise<void> {
    await eventually(
      () => this.map(namespace),
      (found) => found?.data?.["hub-ca.crt"] === bundle,
    );
  }

  hubSecret(): Promise<HubSecret | undefined> {
    return orUndefined(this.#server.client.get<HubSecret>(SECRETS, HUB));
  }

  /** The certificate that hubs show. */
  async shown(): Promise<string> {
    return textOf(await this.hubSecret(), "tls.crt");
  }

  async stored(): Promise<CertificateSet | undefined> {
    return fromSecretData((await orUndefined(this.#server.client.get<HubSecret>(SECRETS, AUTHORITY)))?.data);
  }

  /** The stored set once it is as wanted. */
  async storedAs(wanted: (set: CertificateSet) => boolean = () => true): Promise<CertificateSet> {
    return (await eventually(
      () => this.stored(),
      (set) => set !== undefined && wanted(set),
    )) as CertificateSet;
  }

  /** Ends all of them, and leaves a cluster as it was, with namespaces that are not used again. */
  async clear(): Promise<void> {
    await Promise.all(this.#ends.splice(0).map((end) => end()));
    const { client } = this.#server;
    for (const name of [HUB, AUTHORITY]) await orUndefined(client.remove(SECRETS, name));
    for (const { metadata } of (await client.list(NAMESPACES, { labelSelector: LABEL })).items) {
      await this.label(metadata.name ?? "", null);
    }
    for (const { metadata } of (await client.list(CONFIG_MAPS, { fieldSelector: `metadata.name=${TRUST}` })).items) {
      await client.remove(CONFIG_MAPS, { namespace: metadata.namespace ?? "", name: TRUST });
    }
    this.clock = createManualClock(Date.now());
    this.ledgerKeys = "keys of today";
  }
}

export function textOf(secret: HubSecret | undefined, key: string): string {
  return Buffer.from(secret?.data?.[key] ?? "", "base64").toString();
}

async function orUndefined<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isClusterError(error, "NotFound")) return undefined;
    throw error;
  }
}
