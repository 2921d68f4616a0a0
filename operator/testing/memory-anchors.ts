import type { AnchoredTenant, AnchorKeeper, AnchorStore } from "../anchor/store.ts";

/** Anchors in memory: those that resources have, and those that are kept for tenants without one. */
export class MemoryAnchors implements AnchorStore {
  readonly notes = new Map<string, string>();
  readonly kept = new Map<string, string>();
  readonly keeper: AnchorKeeper = {
    retain: async (id, note) => void this.kept.set(id, note),
    retained: async (id) => this.kept.get(id),
    drop: async (id) => void this.kept.delete(id),
  };

  async read({ id }: AnchoredTenant): Promise<string | undefined> {
    return this.notes.get(id);
  }

  async write({ id }: AnchoredTenant, note: string): Promise<void> {
    this.notes.set(id, note);
  }

  async forget({ id }: AnchoredTenant): Promise<void> {
    this.notes.delete(id);
  }
}
