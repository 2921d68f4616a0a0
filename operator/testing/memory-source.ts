import { type AuthPolicy, type Resource, type Tenant, validateResource } from "@heauth/core/resources";
import {
  type Kind,
  type Kinds,
  keyText,
  type Observed,
  type ObservedMeta,
  parseKey,
  type ResourceKey,
  type ResourceSource,
  type SecretReading,
} from "../source/source.ts";

/** Resources in memory, validated as any source does: an invalid change keeps the last good version. */
export class MemorySource implements ResourceSource {
  protected readonly entries = new Map<string, Observed<Tenant | AuthPolicy>>();
  readonly #listeners = new Set<(key: ResourceKey) => void>();
  readonly secrets = new Map<string, string>();
  readonly namespaces = new Map<string, Readonly<Record<string, string>>>();

  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  get<K extends Kind>(kind: K, namespace: string, name: string): Observed<Kinds[K]> | undefined {
    return this.entries.get(keyText({ kind, namespace, name })) as Observed<Kinds[K]> | undefined;
  }

  list(kind: Kind): readonly ResourceKey[] {
    return [...this.entries.keys()].map(parseKey).filter((key) => key.kind === kind);
  }

  secret(tenant: string, ref: { name: string; key: string }): SecretReading {
    const value = this.secrets.get(`${tenant}/${ref.name}/${ref.key}`);
    return value === undefined ? { ok: false, reason: "NotFound" } : { ok: true, value: Buffer.from(value) };
  }

  namespaceLabels(namespace: string): Readonly<Record<string, string>> | undefined {
    return this.namespaces.get(namespace);
  }

  onChange(listener: (key: ResourceKey) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @param meta what only Kubernetes would know of it */
  put(
    document: {
      kind: Kind;
      metadata: { name: string; namespace?: string; annotations?: Record<string, string> };
      spec: object;
    },
    meta: Partial<ObservedMeta> = {},
  ): void {
    const { kind, metadata } = document;
    const key = { kind, namespace: metadata.namespace ?? "", name: metadata.name };
    const before = this.entries.get(keyText(key))?.inForce;
    const old: { old?: Resource } = before === undefined ? {} : { old: before };
    const read = validateResource({ apiVersion: "heauth.io/v1alpha1", ...document }, old);
    const all = { deleting: false, annotations: metadata.annotations ?? {}, finalizers: [], ...meta };
    this.entries.set(
      keyText(key),
      read.ok
        ? { inForce: read.resource, problems: [], meta: all }
        : { inForce: before, problems: read.problems, meta: all },
    );
    this.tell(key);
  }

  remove(key: ResourceKey): void {
    this.entries.delete(keyText(key));
    this.tell(key);
  }

  protected tell(key: ResourceKey): void {
    for (const listener of this.#listeners) listener(key);
  }
}
