import { asError, type Counter, type Logger, type Metrics, type Part } from "@heauth/program";
import { type ClusterClient, isClusterError } from "@heauth/program/kubernetes";
import { OperatorError } from "../errors.ts";
import { createTrouble, type Trouble } from "../runtime/trouble.ts";
import { ADOPT } from "../source/marks.ts";
import { createFlusher, type Flusher } from "./flusher.ts";
import { isNewer, newestAnchor } from "./newest.ts";
import type { AnchoredTenant, AnchorKeeper, AnchorStore } from "./store.ts";
import { getTenant, isResourceOf, putTenantAnchor, type TenantStatus } from "./tenant-status.ts";

/** A Tenant as it was last seen. */
export interface SeenTenant {
  readonly status: TenantStatus;
  readonly resourceVersion: string;
  readonly meta: { readonly annotations: Readonly<Record<string, string>> };
}

export interface ClusterAnchorsOptions {
  readonly client: ClusterClient;
  /** For tenants that have no resource. */
  readonly keeper: AnchorKeeper;
  readonly seen: (name: string) => SeenTenant | undefined;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** How often a tenant's anchor is written at most; every 30 s unless given. */
  readonly everyMs?: number;
  readonly nowMs?: () => number;
}

/** An anchor that is needed now: the sealer does other tenants' meanwhile. */
const LOOK_WITHIN_MS = 3_000;
/** While the API server is away not every tenant's turn has to wait for it. */
const AWAY_FOR_MS = 5_000;
/** What the API server refuses it refuses until somebody does something. */
const REFUSED_AGAIN_MS = 60_000;

type Outcome = "ok" | "refused" | "error";

/**
 * Anchors in Tenants' status, or, of tenants that have no resource (any more), in what the keeper keeps. Answers from the newest that
 * is known, also while the API server is away; writes in the background.
 */
export class ClusterAnchors implements AnchorStore, Part {
  readonly name = "anchors";
  readonly #options: Required<ClusterAnchorsOptions>;
  /** By tenant id: the newest that was read or written here. */
  readonly #known = new Map<string, string | undefined>();
  /** By tenant id: why the API server does not take what is newest. */
  readonly #refused = new Map<string, string>();
  readonly #listeners = new Set<(tenant: AnchoredTenant) => void>();
  readonly #flusher: Flusher;
  readonly #trouble: Trouble;
  readonly #counters: Record<Outcome, Counter>;
  #awayUntilMs = 0;

  constructor(options: ClusterAnchorsOptions) {
    this.#options = { everyMs: 30_000, nowMs: Date.now, ...options };
    const { log, metrics, everyMs, nowMs } = this.#options;
    this.#trouble = createTrouble(log, "anchors can't be written");
    this.#flusher = createFlusher({ everyMs, nowMs, flush: (tenant, note) => this.#flush(tenant, note) });
    const count = (outcome: Outcome) => metrics.counter("heauth_anchor_writes_total", { outcome });
    this.#counters = { ok: count("ok"), refused: count("refused"), error: count("error") };
    metrics.gauge("heauth_anchors_unwritten", () => this.#flusher.size);
    metrics.gauge("heauth_anchors_overdue", () => this.#flusher.overdue);
  }

  async start(): Promise<void> {
    this.#flusher.start();
  }

  /** Writes what has not been written yet. */
  async stop(deadline: AbortSignal): Promise<void> {
    const left = await this.#flusher.stop(deadline);
    if (left > 0)
      this.#options.log.warn({ tenants: left }, "anchors are left unwritten: they are written when their logs grow");
  }

  /** @throws OperatorError `AnchorUnavailable` when it never could be read */
  async read(tenant: AnchoredTenant): Promise<string | undefined> {
    if (this.#known.has(tenant.id)) return newestAnchor(this.#known.get(tenant.id), this.#seenNote(tenant));
    const note = await this.#look(tenant);
    // Somebody may have written meanwhile.
    if (!this.#known.has(tenant.id)) this.#known.set(tenant.id, note);
    return this.#known.get(tenant.id);
  }

  /** @throws OperatorError `AnchorRefused` while the API server does not take what was written last; this one is tried again with it */
  async write(tenant: AnchoredTenant, note: string): Promise<void> {
    this.#known.set(tenant.id, note);
    this.#flusher.put(tenant, note, { urgent: this.#lacksAnchor(tenant) });
    const why = this.#refused.get(tenant.id);
    if (why !== undefined) throw new OperatorError("AnchorRefused", `the API server refuses the anchor: ${why}`);
  }

  async forget({ id }: AnchoredTenant): Promise<void> {
    this.#flusher.drop(id);
    this.#known.delete(id);
    this.#refused.delete(id);
    await this.#options.keeper.drop(id);
  }

  onDiffering(listener: (tenant: AnchoredTenant) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What the API server has at this moment; while it is away, what was seen last. */
  async #look(tenant: AnchoredTenant): Promise<string | undefined> {
    const { client, nowMs } = this.#options;
    const seen = this.#seenNote(tenant);
    if (nowMs() < this.#awayUntilMs && seen !== undefined) return seen;
    if (nowMs() < this.#awayUntilMs) throw unavailable(tenant);
    try {
      return await this.#live(client, tenant);
    } catch (error) {
      this.#awayUntilMs = nowMs() + AWAY_FOR_MS;
      if (seen !== undefined) return seen;
      throw unavailable(tenant, error);
    }
  }

  async #live(client: ClusterClient, tenant: AnchoredTenant): Promise<string | undefined> {
    const status = (await getTenant(client, tenant.name, LOOK_WITHIN_MS))?.status;
    const inStatus = status === undefined || isResourceOf(tenant, status) === false ? undefined : status.ledger?.note;
    return inStatus ?? (await this.#options.keeper.retained(tenant.id));
  }

  #seenNote(tenant: AnchoredTenant): string | undefined {
    const status = this.#options.seen(tenant.name)?.status;
    return status === undefined || isResourceOf(tenant, status) !== true ? undefined : status.ledger?.note;
  }

  /** Its resource is to have one soon, also where the tenant had another resource, with one, a moment ago. */
  #lacksAnchor(tenant: AnchoredTenant): boolean {
    const seen = this.#options.seen(tenant.name);
    if (seen === undefined || seen.status.ledger !== undefined) return false;
    return isResourceOf(tenant, seen.status) ?? seen.meta.annotations[ADOPT] === tenant.id;
  }

  /** @returns when to try again, in ms; undefined: it is done with */
  async #flush(tenant: AnchoredTenant, note: string): Promise<number | undefined> {
    const { seen } = this.#options;
    try {
      await this.#put(tenant, note, seen(tenant.name) ?? (await this.#find(tenant.name))).catch(async (error) => {
        if (!isClusterError(error, "Conflict")) throw error;
        // What was seen is behind.
        await this.#put(tenant, note, await this.#find(tenant.name));
      });
    } catch (error) {
      return await this.#failed(tenant, note, error);
    }
    this.#counters.ok.add();
    this.#refused.delete(tenant.id);
    this.#trouble.over();
    return undefined;
  }

  async #put(tenant: AnchoredTenant, note: string, resource: SeenTenant | undefined): Promise<void> {
    const { client, keeper, nowMs } = this.#options;
    if (resource !== undefined && (await this.#isPlaceOf(tenant, resource))) {
      const { resourceVersion } = resource;
      await putTenantAnchor(client, { name: tenant.name, resourceVersion }, note, nowMs());
    } else await keeper.retain(tenant.id, note);
  }

  /** One that was not seen (yet) may be there all the same. */
  async #find(name: string): Promise<SeenTenant | undefined> {
    const found = await getTenant(this.#options.client, name, LOOK_WITHIN_MS);
    if (found === undefined) return undefined;
    const { resourceVersion = "", annotations = {} } = found.metadata;
    return { status: found.status ?? {}, resourceVersion, meta: { annotations } };
  }

  async #isPlaceOf(tenant: AnchoredTenant, { status, meta }: SeenTenant): Promise<boolean> {
    const is = isResourceOf(tenant, status);
    if (is !== undefined) return is;
    // It may be another resource, of a name whose data is retained: until it has taken that over, it is not its anchor's place.
    return meta.annotations[ADOPT] === tenant.id || (await this.#options.keeper.retained(tenant.id)) === undefined;
  }

  async #failed(tenant: AnchoredTenant, note: string, error: unknown): Promise<number> {
    // The resource went, or is another one: what was seen says so soon.
    if (isClusterError(error, "NotFound", "Conflict")) return 1_000;
    if (isClusterError(error, "Invalid")) return await this.#refuse(tenant, note, error);
    this.#counters.error.add();
    this.#trouble.report(error);
    return AWAY_FOR_MS;
  }

  /** An anchor that is further on than ours is the truth: it is read from now on, and the log has to be held against it. */
  async #refuse(tenant: AnchoredTenant, note: string, error: Error): Promise<number> {
    const { client, log } = this.#options;
    this.#counters.refused.add();
    try {
      const live = await this.#live(client, tenant);
      if (live !== undefined && live !== note && !isNewer(note, live)) {
        // Another operator may have sealed while this one was frozen; if it is anything worse, the sealer says so.
        log.warn(
          { tenant: tenant.id, name: tenant.name },
          "the anchor is further on than what was to be written, or of another history",
        );
        this.#flusher.drop(tenant.id);
        this.#known.set(tenant.id, live);
        this.#refused.delete(tenant.id);
        for (const listener of this.#listeners) listener(tenant);
        return REFUSED_AGAIN_MS;
      }
    } catch (failure) {
      this.#trouble.report(failure);
      return AWAY_FOR_MS;
    }
    log.error({ tenant: tenant.id, name: tenant.name, err: error }, "the API server refuses the anchor");
    this.#refused.set(tenant.id, asError(error).message);
    return REFUSED_AGAIN_MS;
  }
}

function unavailable({ name }: AnchoredTenant, cause?: unknown): OperatorError {
  return new OperatorError("AnchorUnavailable", `the anchor of tenant ${name} can't be read now`, { cause });
}
