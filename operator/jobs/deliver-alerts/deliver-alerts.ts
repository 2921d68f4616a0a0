import { asError, type Counter, type Logger, type Metrics, pause } from "@heauth/program";
import {
  abandon,
  type Database,
  type DueDelivery,
  deferToDigest,
  markDelivered,
  markFailed,
  pruneAlertWindows,
  type ReceiverName,
  takeBudget,
  takeDueDeliveries,
} from "@heauth/store";
import { OperatorError } from "../../errors.ts";
import type { ResourceSource } from "../../source/source.ts";
import { alertMessage, digestMessage } from "./message.ts";
import { parseSigningSecret, postWebhook, type WebhookMessage, type WebhookTarget } from "./webhook.ts";

/** Where signing secrets come from, each time anew. */
export type SecretSource = Pick<ResourceSource, "secret">;

export interface DeliverAlertsOptions {
  readonly database: Database;
  readonly secrets: SecretSource;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Messages to a receiver within a window, further ones come as a digest at its end; 60 in 10 minutes unless given. */
  readonly budget?: { readonly most: number; readonly windowMs: number };
  /** For a receiver's answer; 5 s unless given. */
  readonly timeoutMs?: number;
  /** Longest first wait after a failure; doubles with each. 5 s unless given. */
  readonly firstRetryMs?: number;
  /** How long a round waits for receivers; 500 ms unless given. */
  readonly patienceMs?: number;
  /** How long what was taken is this process's to deliver; a minute unless given. */
  readonly leaseMs?: number;
  readonly random?: () => number;
}

const PER_RECEIVER = 8;
const LONGEST_RETRY_MS = 3_600_000;
/** Over half a day, the waits together. */
const MOST_ATTEMPTS = 24;
const PRUNE_EVERY_MS = 60_000;

type Outcome = "ok" | "retry" | "given-up";

/** Tells tenants' receivers of alerts: at least once each, signed, with retries, within each receiver's budget. */
export class AlertDeliverer {
  readonly #options: Required<DeliverAlertsOptions>;
  readonly #counters: Record<Outcome, Counter>;
  readonly #busy = new Map<string, { readonly name: ReceiverName; readonly served: Promise<void> }>();
  #prunedAtMs = 0;
  #stopped = false;

  constructor(options: DeliverAlertsOptions) {
    this.#options = {
      budget: { most: 60, windowMs: 600_000 },
      timeoutMs: 5_000,
      firstRetryMs: 5_000,
      patienceMs: 500,
      leaseMs: 60_000,
      random: Math.random,
      ...options,
    };
    const count = (outcome: Outcome) =>
      options.metrics.counter("heauth_alert_deliveries_total", { kind: "webhook", outcome });
    this.#counters = { ok: count("ok"), retry: count("retry"), "given-up": count("given-up") };
  }

  /**
   * One round: some of every receiver's, receivers side by side. One that takes its time is left to it: the next rounds go on
   * without it, so that nobody waits for somebody else's receiver.
   * @returns whether there may be more at once
   */
  async round(): Promise<boolean> {
    const { database, patienceMs, leaseMs } = this.#options;
    await this.#prune();
    const busy = [...this.#busy.values()].map(({ name }) => name);
    const takenAtMs = performance.now();
    const due = await database.transaction((tx) =>
      takeDueDeliveries(tx, { perReceiver: PER_RECEIVER, leaseMs, except: busy }),
    );
    const receivers = Map.groupBy(due, ({ tenantId, receiver }) => `${tenantId} ${receiver}`);
    const started = [...receivers].map(([key, deliveries]) => this.#start(key, deliveries, takenAtMs));
    const patience = new AbortController();
    await Promise.race([Promise.all(started), pause(patienceMs, patience.signal).catch(() => undefined)]);
    patience.abort();
    return [...receivers].some(([key, { length }]) => length >= PER_RECEIVER && !this.#busy.has(key));
  }

  /** Ends after the messages that are under way; what else was taken is told of when its lease is over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#busy.values()].map(({ served }) => served));
  }

  #start(key: string, deliveries: readonly DueDelivery[], takenAtMs: number): Promise<void> {
    const [name] = deliveries;
    if (name === undefined) return Promise.resolve();
    const served = this.#serve(deliveries, takenAtMs)
      .catch((error: unknown) => {
        const { tenantId: tenant, receiver } = name;
        this.#options.log.warn(
          { tenant, receiver, err: asError(error) },
          "a receiver could not be served; it is tried again",
        );
      })
      .finally(() => this.#busy.delete(key));
    this.#busy.set(key, { name, served });
    return served;
  }

  /** One receiver's, one after the other; when one fails, the rest waits with it. */
  async #serve(deliveries: readonly DueDelivery[], takenAtMs: number): Promise<void> {
    const { leaseMs, timeoutMs } = this.#options;
    const [any] = deliveries;
    if (any === undefined) return;
    if (any.webhook === null) return await this.#giveUp(deliveries, "the receiver was removed");
    const late = deliveries.filter(({ digest }) => digest);
    const single = deliveries.filter(({ digest }) => !digest);
    const messages = [
      ...(late.length === 0 ? [] : [{ of: late, message: digestMessage(late, Date.now()) }]),
      ...single.map((delivery) => ({ of: [delivery], message: alertMessage(delivery) })),
    ];
    for (const [index, { of, message }] of messages.entries()) {
      if (this.#stopped) return;
      // Who was frozen meanwhile may find that others have told of the rest: it is left to whoever takes it next.
      if (performance.now() - takenAtMs > leaseMs - timeoutMs) return;
      if (await this.#overBudget(of)) continue;
      try {
        await this.#send(any, message);
        await this.#options.database.transaction((tx) => markDelivered(tx, of));
        this.#counters.ok.add();
      } catch (error) {
        if (!(error instanceof OperatorError)) throw error;
        return await this.#failed(
          messages.slice(index).flatMap((rest) => rest.of),
          error,
        );
      }
    }
  }

  /** A message counts once, however often it has to be sent. */
  async #overBudget(deliveries: readonly DueDelivery[]): Promise<boolean> {
    const [first] = deliveries;
    if (first === undefined || first.attempts > 0) return false;
    return await this.#options.database.transaction(async (tx) => {
      const ends = await takeBudget(tx, first, this.#options.budget);
      if (ends !== undefined) await deferToDigest(tx, deliveries, ends);
      return ends !== undefined;
    });
  }

  async #send(delivery: DueDelivery, message: WebhookMessage): Promise<void> {
    const { timeoutMs } = this.#options;
    await postWebhook(this.#target(delivery), message, { nowMs: Date.now(), timeoutMs });
  }

  #target({ tenantName, webhook }: DueDelivery): WebhookTarget {
    if (webhook === null) throw new OperatorError("DeliveryFailed", "the receiver was removed");
    const reading = this.#options.secrets.secret(tenantName, webhook.signingSecretRef);
    if (!reading.ok) throw new OperatorError("SecretMissing", `the signing secret can't be had: ${reading.reason}`);
    return { url: webhook.url, secret: parseSigningSecret(Buffer.from(reading.value).toString()) };
  }

  async #failed(deliveries: readonly DueDelivery[], error: OperatorError): Promise<void> {
    const { database, log, firstRetryMs, random } = this.#options;
    const [first] = deliveries;
    if (first === undefined) return;
    const spent = deliveries.filter(({ attempts }) => attempts + 1 >= MOST_ATTEMPTS);
    if (spent.length > 0) await this.#giveUp(spent, error.message);
    const again = deliveries.filter(({ attempts }) => attempts + 1 < MOST_ATTEMPTS);
    if (again.length === 0) return;
    const stepMs = Math.min(firstRetryMs * 2 ** first.attempts, LONGEST_RETRY_MS);
    const retryInMs = stepMs / 2 + (random() * stepMs) / 2;
    this.#counters.retry.add();
    log.warn(
      {
        tenant: first.tenantId,
        receiver: first.receiver,
        code: error.code,
        error: error.message,
        waiting: again.length,
      },
      "a receiver could not be told of an alert; it is tried again",
    );
    await database.transaction((tx) => markFailed(tx, again, error.message, retryInMs));
  }

  async #giveUp(deliveries: readonly DueDelivery[], why: string): Promise<void> {
    const { database, log } = this.#options;
    this.#counters["given-up"].add(deliveries.length);
    const [first] = deliveries;
    log.error(
      { tenant: first?.tenantId, receiver: first?.receiver, alerts: deliveries.length, why },
      "alerts given up",
    );
    await database.transaction((tx) => abandon(tx, deliveries, why));
  }

  async #prune(): Promise<void> {
    if (Date.now() - this.#prunedAtMs < PRUNE_EVERY_MS) return;
    this.#prunedAtMs = Date.now();
    await this.#options.database.transaction(pruneAlertWindows);
  }
}
