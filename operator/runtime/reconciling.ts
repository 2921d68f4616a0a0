import { asError, createBackoff, type Logger, type Metrics, retry } from "@heauth/program";
import { StoreError } from "@heauth/store";
import type { Controllers } from "../controllers/controllers.ts";
import { type Kind, keyText, parseKey, type ResourceKey, type ResourceSource, resourceName } from "../source/source.ts";
import { aborted } from "./aborted.ts";
import { isAway } from "./away.ts";
import { isConflict } from "./conflict.ts";
import { type FailureSink, Failures } from "./failures.ts";
import { FirstPass } from "./first-pass.ts";
import { WorkQueue } from "./queue.ts";
import { createTrouble, type Trouble } from "./trouble.ts";

export interface ReconcilingOptions {
  readonly source: Pick<ResourceSource, "get" | "list" | "onChange">;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** How often everything is looked at again, ms; every 10 min unless given. */
  readonly againMs?: number;
  /** Where else than in the log it is told that a resource fails again and again. */
  readonly failureSink?: FailureSink;
}

/** What reconciles for a term. */
export interface Term {
  readonly controllers: Controllers;
  /** What the store has of resources, whether they are still there or not. */
  readonly stored: () => Promise<{
    readonly tenants: readonly ResourceKey[];
    readonly policies: readonly ResourceKey[];
  }>;
}

const WORKERS = 4;
const BACKOFF = { firstMs: 200, maxMs: 5_000 };
/** Everything is looked at again after so long, give or take a tenth: what somebody else has changed is put right. */
const AGAIN_MS = 10 * 60_000;

type Outcome = "ok" | "invalid" | "error";

/** Reconciles everything there is, and then what changes, a term at a time. */
export class Reconciling {
  readonly #options: ReconcilingOptions;
  readonly #queue: WorkQueue;
  readonly #trouble: Trouble;
  readonly #failures: Failures | undefined;
  readonly #synced = Promise.withResolvers<void>();
  #first = new FirstPass();
  #controllers: Controllers | undefined;
  #fenced = new AbortController();

  constructor(options: ReconcilingOptions) {
    this.#options = options;
    const { log, metrics, failureSink } = options;
    this.#failures = failureSink && new Failures(failureSink, log);
    this.#trouble = createTrouble(log, "the database does not take what is reconciled");
    this.#queue = new WorkQueue({
      workers: WORKERS,
      measured: { metrics, name: "resources" },
      reconcile: (text) => this.#reconcile(text),
      onError: (text, error, retryInMs) => this.#failed(parseKey(text), error, retryInMs),
    });
  }

  /** Resolves when every resource that there was has been reconciled once, or could not be for a reason of its own. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  /** Asks for a resource to be reconciled, where this is the one who does it. */
  add(key: ResourceKey): void {
    if (this.#controllers !== undefined) this.#queue.add(keyText(key));
  }

  /** Reconciles until `over` aborts, or a later term has begun elsewhere. */
  async serve({ controllers, stored }: Term, over: AbortSignal): Promise<void> {
    const { source, log } = this.#options;
    const names = await retry(stored, {
      backoff: createBackoff(BACKOFF),
      signal: over,
      onRetry: (error) => this.#trouble.report(error),
    });
    this.#fenced = new AbortController();
    this.#controllers = controllers;
    this.#first = new FirstPass();
    this.#failures?.forget();
    // What there is already goes by the first pass, in its order.
    const unwatch = source.onChange((key) => this.add(key));
    this.#queue.start();
    const stages = [
      [...source.list("Tenant"), ...names.tenants],
      [...source.list("AuthPolicy"), ...names.policies],
    ];
    this.#first.begin(stages, (key) => this.#queue.add(key));
    const began = performance.now();
    void this.#first.over.then(() => {
      const ms = Math.round(performance.now() - began);
      const [tenants, policies] = stages.map((stage) => new Set(stage.map(keyText)).size);
      log.info({ tenants, policies, ms }, "everything has been reconciled once");
      this.#synced.resolve();
    });
    // What somebody else put into the store has no resource that would ever tell of it.
    const looking = setInterval(() => void this.#lookForLeftovers(stored), this.#options.againMs ?? AGAIN_MS);
    try {
      await aborted(AbortSignal.any([over, this.#fenced.signal]));
      if (this.#fenced.signal.aborted) log.warn("another operator reconciles: this one leaves it to that one");
    } finally {
      clearInterval(looking);
      unwatch();
      this.#controllers = undefined;
      await this.#queue.stop();
    }
  }

  async #lookForLeftovers(stored: Term["stored"]): Promise<void> {
    const { source } = this.#options;
    try {
      const { tenants, policies } = await stored();
      for (const key of [...tenants, ...policies]) {
        if (source.get(key.kind, key.namespace, key.name) === undefined) this.add(key);
      }
    } catch (error) {
      this.#trouble.report(error);
    }
  }

  async #reconcile(text: string) {
    const key = parseKey(text);
    const done = this.#first.running(text);
    if (this.#controllers === undefined) return undefined;
    try {
      const { outcome, requeue, affects = [] } = await this.#controllers.reconcile(key);
      await this.#failures?.over(key);
      this.#count(key.kind, outcome);
      this.#trouble.over();
      for (const other of affects.map(keyText)) if (!this.#first.comes(other)) this.#queue.add(other);
      done();
      return requeue ?? this.#again(key);
    } catch (error) {
      if (error instanceof StoreError && error.code === "Fenced") this.#fenced.abort();
      // One that fails for a reason of its own is tried again and again: the others don't wait for that.
      if (!isConflict(error) && !isAway(error)) done();
      // Of a term that is over, its successor tells.
      if (this.#controllers !== undefined) await this.#failures?.failed(key, error);
      throw error;
    }
  }

  #again({ kind, namespace, name }: ResourceKey) {
    if (this.#options.source.get(kind, namespace, name) === undefined) return undefined;
    return { requeueAfterMs: (this.#options.againMs ?? AGAIN_MS) * (0.9 + Math.random() / 5) };
  }

  #failed(key: ResourceKey, error: unknown, retryInMs: number): void {
    this.#count(key.kind, "error");
    // That is so for all of them: once is enough.
    if (error instanceof StoreError && error.code === "StoreUnavailable") {
      this.#trouble.report(error);
      return;
    }
    const line = { resource: resourceName(key), err: asError(error), retryInMs };
    this.#options.log.warn(line, "a resource could not be reconciled; it is tried again");
  }

  #count(kind: Kind, outcome: Outcome): void {
    this.#options.metrics.counter("heauth_reconciles_total", { kind, outcome }).add();
  }
}
