import type { TagKey } from "@heauth/core/tokens";
import { asError, createBackoff, type Logger, pause } from "@heauth/program";
import { type Database, type PolicyName, policiesNamed, type StoredPolicy, type Tx, tagKeys } from "@heauth/store";

/** A policy in force, with what its sidecars need beside it. */
export interface ServedPolicy extends StoredPolicy {
  readonly tagKeys: readonly TagKey[];
}

/** The policies that callers are served, as the store last had them. */
export interface PolicyBoard {
  /** Makes the names known. Reads the store for those that were never asked for: rejects when it is away. */
  know(names: readonly PolicyName[]): Promise<void>;
  /** Those of the named policies that are in force, as far as their names are known. */
  named(names: readonly PolicyName[]): ServedPolicy[];
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
  const known = new Map<string, { name: PolicyName; policy: ServedPolicy | undefined }>();
  const stopping = new AbortController();
  let loading: Promise<void> = Promise.resolve();
  let dirty = false;
  let refreshing: Promise<void> | undefined;

  /** One read at a time: an older one must not end later than a newer one. */
  function load(choose: () => readonly PolicyName[]): Promise<void> {
    const loaded = loading.then(() => loadNow(choose()));
    loading = loaded.catch(() => {});
    return loaded;
  }

  async function loadNow(names: readonly PolicyName[]): Promise<void> {
    if (names.length === 0) return;
    const policies = await database.read((tx) => servedPolicies(tx, names));
    const found = new Map(policies.map((policy) => [keyOf(policy), policy]));
    for (const name of names) known.set(keyOf(name), { name, policy: found.get(keyOf(name)) });
  }

  async function refreshAll(): Promise<void> {
    const backoff = createBackoff({ firstMs: 50, maxMs: 1000 });
    while (dirty && !stopping.signal.aborted) {
      dirty = false;
      try {
        await load(() => [...known.values()].map(({ name }) => name));
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
    async know(names) {
      const isUnknown = (name: PolicyName) => !known.has(keyOf(name));
      if (names.some(isUnknown)) await load(() => names.filter(isUnknown));
    },
    named: (names) => names.flatMap((name) => known.get(keyOf(name))?.policy ?? []),
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

async function servedPolicies(tx: Tx, names: readonly PolicyName[]): Promise<ServedPolicy[]> {
  const policies = await policiesNamed(tx, names);
  const keys = new Map<string, TagKey[]>();
  for (const { tenantId } of policies) if (!keys.has(tenantId)) keys.set(tenantId, await tagKeys(tx, tenantId));
  return policies.map((policy) => ({ ...policy, tagKeys: keys.get(policy.tenantId) ?? [] }));
}

function keyOf({ namespace, name }: PolicyName): string {
  return `${namespace}/${name}`;
}
