import type { ObjectName } from "@heauth/program/kubernetes";

/** Names an object. Cluster-scoped ones have the namespace "". */
export interface ObjectKey {
  readonly namespace: string;
  readonly name: string;
}

/** What is kept of an object. */
export interface Entry<V> {
  readonly key: ObjectKey;
  readonly uid: string | undefined;
  readonly resourceVersion: string | undefined;
  readonly value: V;
}

/** `before` is missing for what is new, `now` for what is gone. An object that was replaced by another of its name has both. */
export interface Change<V> {
  readonly key: ObjectKey;
  readonly now: V | undefined;
  readonly before: V | undefined;
}

/** Objects by namespace and name; tells of each write what it changed. */
export class Kept<V> {
  readonly #namespaces = new Map<string, Map<string, Entry<V>>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(object: ObjectName): V | undefined {
    return this.entry(object)?.value;
  }

  entry({ namespace = "", name }: ObjectName): Entry<V> | undefined {
    return this.#namespaces.get(namespace)?.get(name);
  }

  /** Of one namespace, or of all. */
  list(namespace?: string): V[] {
    const entries = namespace === undefined ? this.#entries() : (this.#namespaces.get(namespace)?.values() ?? []);
    return Array.from(entries, ({ value }) => value);
  }

  /** Undefined when this very version is there already. */
  put(entry: Entry<V>): Change<V> | undefined {
    const { key, uid, resourceVersion, value } = entry;
    const names = this.#namespaces.get(key.namespace) ?? new Map<string, Entry<V>>();
    this.#namespaces.set(key.namespace, names);
    const before = names.get(key.name);
    if (before?.uid === uid && before?.resourceVersion === resourceVersion) return undefined;
    if (before === undefined) this.#size++;
    names.set(key.name, entry);
    return { key, now: value, before: before?.value };
  }

  remove(key: ObjectKey): Change<V> | undefined {
    const names = this.#namespaces.get(key.namespace);
    const before = names?.get(key.name);
    if (names === undefined || before === undefined) return undefined;
    names.delete(key.name);
    if (names.size === 0) this.#namespaces.delete(key.namespace);
    this.#size--;
    return { key, now: undefined, before: before.value };
  }

  /** From now on these and no others. */
  replaceAll(entries: readonly Entry<V>[]): Change<V>[] {
    const missing = new Map(Array.from(this.#entries(), ({ key }) => [`${key.namespace}/${key.name}`, key]));
    for (const { key } of entries) missing.delete(`${key.namespace}/${key.name}`);
    const gone = Array.from(missing.values(), (key) => this.remove(key));
    return [...gone, ...entries.map((entry) => this.put(entry))].filter((change) => change !== undefined);
  }

  *#entries(): Generator<Entry<V>> {
    for (const names of this.#namespaces.values()) yield* names.values();
  }
}
