import type { TagKey } from "@heauth/core/tokens";
import { asError, createBackoff, type Logger, pause } from "@heauth/program";
import { type Database, policiesIn, type StoredPolicy, type Tx, tagKeysOf } from "@heauth/store";
import type { Caller } from "./callers.ts";

/** A policy in force, with what its sidecars need beside it. */
export interface ServedPolicy extends StoredPolicy {
  readonly tagKeys: readonly TagKey[];
}

/** The policies of callers' namespaces, as the store last had them. */
export interface PolicyBoard {
  /** Makes the namespace's policies known. Reads the store where it was never asked for: rejects when that is away. */
  know(namespace: string): Promise<void>;
  /** Those in force that the caller is served, as far as its namespace is known. */
  servedTo(caller: Caller): readonly ServedPolicy[];
  /** Something may have changed: reads all again, for as long as it takes, and calls `onChanged`. */
  refresh(): void;
  stop(): Promise<void>;
}

export interface PolicyBoardOptions {
  database: Database;
  log: Logger;
  onChanged(): void;
}

export function createPolicyBoard({ database, log, onChanged }: PolicyBoardOptions): PolicyBoard {
  const known = new Map<string, readonly ServedPolicy[]>();
  const stopping = new AbortController();
  let loading: Promise<void> = Promise.resolve();
  let dirty = false;
  let refreshing: Promise<void> | undefined;

  /** One read at a time: an older one must not end later than a newer one. */
  function load(choose: () => readonly string[]): Promise<void> {
    const loaded = loading.then(() => loadNow(choose()));
    loading = loaded.catch(() => {});
    return loaded;
  }

  async function loadNow(namespaces: readonly string[]): Promise<void> {
    if (namespaces.length === 0) return;
    const policies = await database.read((tx) => servedPolicies(tx, namespaces));
    const found = Map.groupBy(policies, ({ namespace }) => namespace);
    for (const namespace of namespaces) known.set(namespace, found.get(namespace) ?? []);
  }

  async function refreshAll(): Promise<void> {
    const backoff = createBackoff({ firstMs: 50, maxMs: 1000 });
    while (dirty && !stopping.signal.aborted) {
      dirty = false;
      try {
        await load(() => [...known.keys()]);
        onChanged();
      } catch (error) {
        dirty = true;
        const waitMs = backoff.next();
        log.warn({ err: asError(error), waitMs }, "policies can't be read");
        await pause(waitMs, stopping.signal).catch(() => {});
      }
    }
  }

  const board: PolicyBoard = {
    async know(namespace) {
      if (!known.has(namespace)) await load(() => (known.has(namespace) ? [] : [namespace]));
    },
    servedTo: (caller) => caller.choose(known.get(caller.namespace) ?? []),
    refresh() {
      dirty = true;
      refreshing ??= refreshAll().finally(() => {
        refreshing = undefined;
        if (dirty && !stopping.signal.aborted) board.refresh();
      });
    },
    async stop() {
      stopping.abort();
      await refreshing;
    },
  };
  return board;
}

async function servedPolicies(tx: Tx, namespaces: readonly string[]): Promise<ServedPolicy[]> {
  const policies = await policiesIn(tx, ...namespaces);
  const keys = await tagKeysOf(tx, [...new Set(policies.map(({ tenantId }) => tenantId))]);
  return policies.map((policy) => ({ ...policy, tagKeys: keys.get(policy.tenantId) ?? [] }));
}
