import { isDeepStrictEqual } from "node:util";
import { FINALIZER } from "../source/marks.ts";
import { keyText, type ObservedMeta, type ObservedPod, type ResourceKey } from "../source/source.ts";
import { MemorySource } from "./memory-source.ts";

type Document = Parameters<MemorySource["put"]>[0];

/** As a cluster has them: resources with uids, generations and finalizers, and pods. */
export class MemoryCluster extends MemorySource {
  readonly #pods: ObservedPod[] = [];
  readonly #specs = new Map<string, object>();
  #uids = 0;
  /** How often finalizers were written. */
  finalizerWrites = 0;

  readonly pods = {
    of: (namespace: string): readonly ObservedPod[] => this.#pods.filter((pod) => pod.namespace === namespace),
  };

  override put(document: Document, meta: Partial<ObservedMeta> = {}): void {
    const key = { kind: document.kind, namespace: document.metadata.namespace ?? "", name: document.metadata.name };
    const before = this.entries.get(keyText(key))?.meta;
    const changed = !isDeepStrictEqual(this.#specs.get(keyText(key)), document.spec);
    this.#specs.set(keyText(key), document.spec);
    super.put(document, {
      uid: before?.uid ?? `uid-${++this.#uids}`,
      generation: (before?.generation ?? 0) + (changed ? 1 : 0),
      createdAtMs: before?.createdAtMs ?? 1_700_000_000_000 + this.#uids * 1000,
      finalizers: before?.finalizers ?? [],
      ...meta,
    });
  }

  /** As `kubectl delete`: it stays as long as it has finalizers. */
  delete(key: ResourceKey): void {
    const entry = this.entries.get(keyText(key));
    if (entry === undefined) return;
    if (entry.meta.finalizers.length === 0) {
      this.remove(key);
      return;
    }
    const generation = (entry.meta.generation ?? 0) + 1;
    this.entries.set(keyText(key), { ...entry, meta: { ...entry.meta, deleting: true, generation } });
    this.tell(key);
  }

  override remove(key: ResourceKey): void {
    this.#specs.delete(keyText(key));
    super.remove(key);
  }

  async setFinalizer(key: ResourceKey, uid: string | undefined, present: boolean): Promise<void> {
    const entry = this.entries.get(keyText(key));
    if (entry === undefined || entry.meta.uid !== uid) return;
    this.finalizerWrites += 1;
    const others = entry.meta.finalizers.filter((finalizer) => finalizer !== FINALIZER);
    const finalizers = present ? [...others, FINALIZER] : others;
    if (entry.meta.deleting && finalizers.length === 0) {
      this.remove(key);
      return;
    }
    this.entries.set(keyText(key), { ...entry, meta: { ...entry.meta, finalizers } });
    this.tell(key);
  }

  /** Adds a pod, or replaces the one of its name. */
  pod(name: string, pod: Partial<ObservedPod> = {}): ObservedPod {
    const whole: ObservedPod = {
      namespace: "shop",
      name,
      uid: `pod-${++this.#uids}`,
      labels: { app: "web" },
      createdAtMs: 1_700_000_000_000,
      injected: true,
      deleting: false,
      ...pod,
    };
    this.endPod(whole);
    this.#pods.push(whole);
    return whole;
  }

  endPod({ namespace, name }: Pick<ObservedPod, "namespace" | "name">): void {
    const index = this.#pods.findIndex((pod) => pod.namespace === namespace && pod.name === name);
    if (index >= 0) this.#pods.splice(index, 1);
  }
}
