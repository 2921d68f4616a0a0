import { asError, type Counter, fewAtATime, type Logger, type Metrics } from "@heauth/program";
import { type NamedTenant, StoreError, tenantsWithLog, tenantsWithQueue } from "@heauth/store";
import { OperatorError } from "../../errors.ts";
import { ProofMemory } from "./proof-memory.ts";
import { type SealOptions, type SealOutcome, sealTenant } from "./seal-tenant.ts";

/** A halted log is looked at again so often: what stopped it may have been put right. */
const HALTED_RETRY_MS = 5_000;
/** A log's proof mostly waits: for its anchor at the first time, and for the database. */
const TENANTS_AT_ONCE = 4;
/** Anchors that can't be read are asked for again so often: of one tenant each time, until one answers. */
const UNAVAILABLE_RETRY_MS = 1_000;

export interface SealerOptions extends Omit<SealOptions, "memory"> {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Told when a tenant's log is halted, for another reason, or sealed again. */
  readonly onHaltChange?: (tenant: NamedTenant) => void;
}

/** Seals all tenants' logs, round by round. Tenants without anything new cost nothing, but for the first round. */
export class Sealer {
  readonly #options: SealerOptions;
  readonly #memory = new ProofMemory();
  /** Looked at in the next round, whether something waits or not. */
  readonly #due = new Map<string, NamedTenant>();
  readonly #halted = new Map<string, { readonly why: string; readonly retryAtMs: number }>();
  readonly #sizes = new Map<string, number>();
  /** By tenant id, µs: since when the first entry waits. */
  readonly #waitingSince = new Map<string, number>();
  readonly #counters: Record<"sealed" | "refused" | "error", Counter>;
  #all = true;
  /** Since anchors can't be read: when they are asked for again. */
  #unavailable: { retryAtMs: number } | undefined;

  constructor(options: SealerOptions) {
    this.#options = options;
    const { metrics } = options;
    const count = (outcome: "sealed" | "refused" | "error") => metrics.counter("heauth_seals_total", { outcome });
    this.#counters = { sealed: count("sealed"), refused: count("refused"), error: count("error") };
    metrics.gauge("heauth_log_size", () => [...this.#sizes.values()].reduce((sum, size) => sum + size, 0));
    metrics.gauge("heauth_seal_lag_seconds", () => {
      const now = options.now();
      return [...this.#waitingSince.values()].reduce((lag, since) => Math.max(lag, (now - since) / 1e6), 0);
    });
  }

  /** Holds a tenant's log against its anchor in the next round, though nothing waits to be sealed. */
  lookAgain(tenant: NamedTenant): void {
    this.#due.set(tenant.id, tenant);
  }

  /**
   * Holds every log against its anchor in the next round, as in the first one: whoever takes the job over, or has lost sight of the
   * database, can't know that it is still the one that was sealed last. One that was restored from a backup mostly has nothing that
   * waits.
   */
  lookAtAll(): void {
    this.#all = true;
  }

  /**
   * One round: each tenant once, a few at a time.
   * @returns whether there is more to do at once
   * @throws StoreError StoreUnavailable: the round is over
   */
  async round(stopping: AbortSignal): Promise<boolean> {
    const { database } = this.#options;
    const { all, queued } = await database.transaction(async (tx) => ({
      all: this.#all ? await tenantsWithLog(tx) : [],
      queued: await tenantsWithQueue(tx),
    }));
    this.#all = false;
    for (const tenant of [...queued, ...all]) if (!this.#due.has(tenant.id)) this.#due.set(tenant.id, tenant);
    for (const { id, waitingSince } of queued) this.#waitingSince.set(id, waitingSince);

    let more = false;
    await fewAtATime([...this.#due.values()], TENANTS_AT_ONCE, async (tenant) => {
      if (!stopping.aborted && (await this.#visit(tenant))) more = true;
    });
    return more && !stopping.aborted;
  }

  /** @returns whether there is more to seal of it at once */
  async #visit(tenant: NamedTenant): Promise<boolean> {
    if (Date.now() < (this.#halted.get(tenant.id)?.retryAtMs ?? 0) || this.#waitsForAnchor(tenant)) return false;
    // Who was asked before anchors could not be read any more says nothing of now.
    const since = this.#unavailable;
    try {
      const wasKnown = this.#memory.headOf(tenant.id) !== undefined;
      const outcome = await sealTenant({ ...this.#options, memory: this.#memory }, tenant);
      if (!wasKnown && this.#unavailable === since) this.#available();
      this.#note(tenant, outcome);
      return outcome.kind === "Sealed" && outcome.more;
    } catch (error) {
      this.#counters.error.add();
      // Without the database nothing can be sealed.
      if (error instanceof StoreError && error.code === "StoreUnavailable") throw error;
      if (error instanceof OperatorError && error.code === "AnchorUnavailable") this.#unavailableBy(error);
      else {
        const { log } = this.#options;
        log.warn({ tenant: tenant.id, err: asError(error) }, "a tenant's log could not be sealed; it is tried again");
      }
      return false;
    }
  }

  /** Each asking may take its time: while anchors can't be read, only logs whose anchor was read before are sealed, and one is tried. */
  #waitsForAnchor({ id }: NamedTenant): boolean {
    if (this.#unavailable === undefined || this.#memory.headOf(id) !== undefined) return false;
    if (Date.now() < this.#unavailable.retryAtMs) return true;
    // This one is asked for now, and no other meanwhile.
    this.#unavailable = { retryAtMs: Date.now() + UNAVAILABLE_RETRY_MS };
    return false;
  }

  #unavailableBy(error: OperatorError): void {
    const { log } = this.#options;
    if (this.#unavailable === undefined) {
      log.error(
        { err: error },
        "anchors can't be read: logs whose anchor was never read are not sealed until they can",
      );
    }
    this.#unavailable = { retryAtMs: Date.now() + UNAVAILABLE_RETRY_MS };
  }

  #available(): void {
    if (this.#unavailable === undefined) return;
    this.#unavailable = undefined;
    this.#options.log.info("anchors can be read again");
  }

  #note(tenant: NamedTenant, outcome: SealOutcome): void {
    const { log, onHaltChange } = this.#options;
    if (outcome.kind === "Gone") {
      this.#forget(tenant);
      return;
    }
    if (outcome.kind === "Halted") {
      this.#counters.refused.add();
      const news = this.#halted.get(tenant.id)?.why !== outcome.why;
      this.#halted.set(tenant.id, { why: outcome.why, retryAtMs: Date.now() + HALTED_RETRY_MS });
      if (news) {
        onHaltChange?.(tenant);
        log.error(
          { tenant: tenant.id, finding: outcome.why },
          "the tenant's log is halted: it is not sealed any further",
        );
      }
      return;
    }
    if (this.#halted.delete(tenant.id)) {
      onHaltChange?.(tenant);
      log.info({ tenant: tenant.id }, "the tenant's log is sealed again");
    }
    if (outcome.kind === "Sealed") this.#counters.sealed.add();
    if (outcome.kind === "Unchanged" || !outcome.more) {
      this.#due.delete(tenant.id);
      this.#waitingSince.delete(tenant.id);
    }
    this.#sizes.set(tenant.id, outcome.size);
  }

  #forget({ id }: NamedTenant): void {
    for (const known of [this.#due, this.#halted, this.#sizes, this.#waitingSince]) known.delete(id);
    this.#memory.forget(id);
  }
}
