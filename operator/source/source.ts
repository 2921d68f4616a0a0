import type { AuthPolicy, FieldProblem, Tenant } from "@heauth/core/resources";

/** The kinds that reconcilers work on. */
export interface Kinds {
  readonly Tenant: Tenant;
  readonly AuthPolicy: AuthPolicy;
}

export type Kind = keyof Kinds;

/** Names a resource. Tenants have the namespace "". */
export interface ResourceKey {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
}

/** What is wrong with a resource, and where it was written. */
export interface SourceProblem extends FieldProblem {
  /** Where the source is files: path below its folder, and line from 1. */
  readonly file?: string;
  readonly line?: number;
}

/** A resource as the source sees it. */
export interface Observed<T> {
  /** The last good version: what is to be enforced. Undefined while there never was one. */
  readonly inForce: T | undefined;
  /** Why what is written now is not in force; empty when it is. */
  readonly problems: readonly SourceProblem[];
  /** Of what is written now, also where that is not in force. */
  readonly meta: ObservedMeta;
}

/** Of a resource's metadata, what reconcilers go by. A folder knows annotations only. */
export interface ObservedMeta {
  readonly uid?: string;
  readonly generation?: number;
  /** ms since the Unix epoch. */
  readonly createdAtMs?: number;
  /** It is to go as soon as nobody's finalizer holds it. */
  readonly deleting: boolean;
  readonly annotations: Readonly<Record<string, string>>;
  readonly finalizers: readonly string[];
  /** The tenant that it has been ever since it had one, as its status says: it can be no other. */
  readonly tenantId?: string;
}

/** A pod that runs, or is to. */
export interface ObservedPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  /** ms since the Unix epoch. */
  readonly createdAtMs: number;
  /** heauth's sidecar is in it. */
  readonly injected: boolean;
  readonly deleting: boolean;
}

export interface SecretKeyRef {
  readonly name: string;
  readonly key: string;
}

export type SecretReading =
  | { readonly ok: true; readonly value: Uint8Array }
  /** `NotFound`; `NotForTenant`: it does not carry the label `heauth.io/tenant: <tenant>`; `NoSuchKey`. */
  | { readonly ok: false; readonly reason: "NotFound" | "NotForTenant" | "NoSuchKey" };

/**
 * Where Tenants, AuthPolicies and the Secrets they refer to come from: a folder, or Kubernetes. What it hands out is valid by the
 * schemas; an invalid change keeps the last good version in force, and says so.
 */
export interface ResourceSource {
  /** Resolves when everything there is has been read once; listeners are told of each resource found. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Undefined: there is no such resource. */
  get<K extends Kind>(kind: K, namespace: string, name: string): Observed<Kinds[K]> | undefined;
  list(kind: Kind): readonly ResourceKey[];
  /** Something there could not be read at all: what is missing may only be broken. */
  readonly incomplete?: boolean;
  /** A Secret's value, for the tenant whose label it carries. Never to be logged, nor kept: ask each time. */
  secret(tenant: string, ref: SecretKeyRef): SecretReading;
  /** Undefined: nothing is known of the namespace. */
  namespaceLabels(namespace: string): Readonly<Record<string, string>> | undefined;
  /** Only where there are pods. */
  readonly pods?: { of(namespace: string): readonly ObservedPod[] };
  /**
   * Puts heauth's finalizer on a Tenant, or takes it off. Only where resources have finalizers.
   * @param uid of the one that is meant: another one of its name is left as it is
   */
  setFinalizer?(key: ResourceKey, uid: string | undefined, present: boolean): Promise<void>;
  /**
   * Told of each resource that came, changed, went, or whose problems changed; of a Tenant also when a Secret labelled for it did; of
   * an AuthPolicy also when its namespace's labels did, or a pod that it selects.
   * @returns ends it
   */
  onChange(listener: (key: ResourceKey) => void): () => void;
}

/** For people: `AuthPolicy/shop/web`, `Tenant/acme`. */
export function resourceName({ kind, namespace, name }: ResourceKey): string {
  return [kind, namespace, name].filter((part) => part !== "").join("/");
}

/** A key for queues: `AuthPolicy/shop/web`, `Tenant//acme`. */
export function keyText({ kind, namespace, name }: ResourceKey): string {
  return `${kind}/${namespace}/${name}`;
}

/**
 * Reads `keyText` back.
 * @throws RangeError for anything that it did not write
 */
export function parseKey(text: string): ResourceKey {
  const [kind, namespace, name, ...rest] = text.split("/");
  if ((kind !== "Tenant" && kind !== "AuthPolicy") || namespace === undefined || !name || rest.length > 0) {
    throw new RangeError("not the key of a resource");
  }
  return { kind, namespace, name };
}
