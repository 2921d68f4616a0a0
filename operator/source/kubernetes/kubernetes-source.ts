import { isDeepStrictEqual } from "node:util";
import { selects } from "@heauth/core/resources";
import type { Logger, Metrics } from "@heauth/program";
import { AUTH_POLICIES, type ClusterClient, NAMESPACES, PODS, SECRETS, TENANTS } from "@heauth/program/kubernetes";
import { createInformer, type Informer } from "../../runtime/informer.ts";
import { lookUpSecret, type Secret, tenantLabel } from "../secret.ts";
import {
  type Kind,
  type Kinds,
  keyText,
  type Observed,
  type ObservedPod,
  parseKey,
  type ResourceKey,
  type ResourceSource,
  type SecretKeyRef,
  type SecretReading,
} from "../source.ts";
import { Coalescer } from "./coalescer.ts";
import { writeFinalizer } from "./finalizer.ts";
import { keptPod } from "./kept-pod.ts";
import { type KeptResource, keptResource } from "./kept-resource.ts";
import { keptSecret } from "./kept-secret.ts";
import { Resources } from "./resources.ts";

export interface KubernetesSourceOptions {
  readonly client: ClusterClient;
  /** heauth's own namespace: no Secret of any other is read, and of this one's only those with the label `heauth.io/tenant`. */
  readonly namespace: string;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** A policy is told of at most so often because of its pods; every 2 s unless given. */
  readonly podsEveryMs?: number;
}

type Name = { readonly namespace: string; readonly name: string };

/** Resources from the Kubernetes API server, watched; what was read stays in force while it is away. */
export class KubernetesSource implements ResourceSource {
  readonly pods: { of(namespace: string): readonly ObservedPod[] };
  readonly #options: KubernetesSourceOptions;
  readonly #tenants: Informer<KeptResource>;
  readonly #policies: Informer<KeptResource>;
  readonly #secrets: Informer<Secret>;
  readonly #namespaces: Informer<Readonly<Record<string, string>>>;
  readonly #pods: Informer<ObservedPod | undefined>;
  readonly #resources = new Resources();
  readonly #listeners = new Set<(key: ResourceKey) => void>();
  readonly #ofPods: Coalescer;
  readonly #stopped = Promise.withResolvers<void>();
  #synced = false;

  constructor(options: KubernetesSourceOptions) {
    this.#options = options;
    const { namespace } = options;
    const shared = { client: options.client, log: options.log, metrics: options.metrics };
    this.#ofPods = new Coalescer(options.podsEveryMs ?? 2_000, (key) => this.#tell(parseKey(key)));
    const resources = (kind: Kind) => ({
      project: keptResource(kind),
      onChange: (key: Name, now: KeptResource | undefined, before: KeptResource | undefined) => {
        if (this.#resources.take({ kind, ...key }, now, before)) this.#tell({ kind, ...key });
      },
    });
    this.#tenants = createInformer({ ...shared, name: "tenants", type: TENANTS, ...resources("Tenant") });
    this.#policies = createInformer({
      ...shared,
      name: "authpolicies",
      type: AUTH_POLICIES,
      ...resources("AuthPolicy"),
    });
    this.#secrets = createInformer({
      ...shared,
      name: "secrets",
      type: SECRETS,
      namespace,
      labelSelector: tenantLabel,
      project: keptSecret,
      onChange: (_, now, before) => this.#secretChanged(now, before),
    });
    this.#namespaces = createInformer({
      ...shared,
      name: "namespaces",
      type: NAMESPACES,
      project: ({ metadata }) => metadata.labels ?? {},
      onChange: ({ name }, now, before) => {
        if (!this.#synced || isDeepStrictEqual(now, before)) return;
        for (const key of this.#policiesIn(name)) this.#tell(key);
      },
    });
    this.#pods = createInformer({
      ...shared,
      name: "pods",
      type: PODS,
      project: keptPod,
      onChange: (key, now, before) => this.#podChanged(key, now, before),
    });
    this.pods = { of: (space) => this.#pods.list(space).filter((pod) => pod !== undefined) };
  }

  /** Resolves when all has been read once, however long the API server is away; or when it is stopped. */
  async start(): Promise<void> {
    const began = performance.now();
    for (const informer of this.#informers()) await informer.start();
    const all = Promise.all(this.#informers().map(({ synced }) => synced)).then(() => {
      this.#synced = true;
      const found = { tenants: this.#tenants.size, policies: this.#policies.size, pods: this.#pods.size };
      this.#options.log.info({ ...found, ms: Math.round(performance.now() - began) }, "the resources have been read");
    });
    await Promise.race([all, this.#stopped.promise]);
  }

  async stop(): Promise<void> {
    this.#stopped.resolve();
    this.#ofPods.stop();
    await Promise.all(this.#informers().map((informer) => informer.stop(AbortSignal.abort())));
  }

  /** Why not all has been read yet; undefined from the first complete reading on. */
  problem(): string | undefined {
    if (this.#synced) return undefined;
    return this.#informers()
      .map((informer) => informer.problem())
      .find((problem) => problem !== undefined);
  }

  get<K extends Kind>(kind: K, namespace: string, name: string): Observed<Kinds[K]> | undefined {
    // A key holds its kind: what is found under it is of that kind.
    return this.#resources.get({ kind, namespace, name }) as Observed<Kinds[K]> | undefined;
  }

  /** The pod of that name as it was last seen; undefined where there was none, or one that has ended. */
  pod(name: Name): ObservedPod | undefined {
    return this.#pods.get(name);
  }

  /** The resource as it was last seen, with its status. */
  kept({ kind, namespace, name }: ResourceKey): KeptResource | undefined {
    return (kind === "Tenant" ? this.#tenants : this.#policies).get({ namespace, name });
  }

  list(kind: Kind): readonly ResourceKey[] {
    return (kind === "Tenant" ? this.#tenants : this.#policies).list().map(({ document }) => keyOf(kind, document));
  }

  secret(tenant: string, ref: SecretKeyRef): SecretReading {
    const { namespace } = this.#options;
    return lookUpSecret(this.#secrets.get({ namespace, name: ref.name }), tenant, ref);
  }

  namespaceLabels(namespace: string): Readonly<Record<string, string>> | undefined {
    return this.#namespaces.get({ name: namespace });
  }

  setFinalizer(key: ResourceKey, uid: string | undefined, present: boolean): Promise<void> {
    return writeFinalizer(this.#options.client, { ...key, uid }, present);
  }

  onChange(listener: (key: ResourceKey) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #informers() {
    return [this.#tenants, this.#policies, this.#secrets, this.#namespaces, this.#pods];
  }

  #tell(key: ResourceKey): void {
    for (const listener of this.#listeners) listener(key);
  }

  #secretChanged(now: Secret | undefined, before: Secret | undefined): void {
    if (isDeepStrictEqual(now, before)) return;
    for (const name of new Set([now?.tenant, before?.tenant])) {
      if (name !== undefined) this.#tell({ kind: "Tenant", namespace: "", name });
    }
  }

  #podChanged({ namespace }: Name, now: ObservedPod | undefined, before: ObservedPod | undefined): void {
    if (!this.#synced || isDeepStrictEqual(now, before)) return;
    for (const key of this.#policiesIn(namespace)) {
      const selector = this.get("AuthPolicy", namespace, key.name)?.inForce?.spec.selector;
      if (selector === undefined) continue;
      const isConcerned = [now, before].some((pod) => pod !== undefined && selects(selector, pod.labels));
      if (isConcerned) this.#ofPods.add(keyText(key));
    }
  }

  #policiesIn(namespace: string): ResourceKey[] {
    return this.#policies.list(namespace).map(({ document }) => keyOf("AuthPolicy", document));
  }
}

function keyOf(kind: Kind, document: KeptResource["document"]): ResourceKey {
  const { namespace = "", name } = (document as { metadata: { namespace?: string; name: string } }).metadata;
  return { kind, namespace, name };
}
