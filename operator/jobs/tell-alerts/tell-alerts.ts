import { type Clock, elapsedMs, type Instant, instant, systemClock } from "@heauth/program";
import { type Database, type RaisedAlert, raisedAlerts } from "@heauth/store";

/** What was raised longer ago is no news: nobody told of it while no operator ran. */
const NEWS_MS = 60_000;
/** How much later than another a transaction may end that began before it. */
const OVERLAP_US = 10_000_000;
const PER_ROUND = 200;
const BUDGET = { most: 60, windowMs: 600_000 };
const MOST_SUBJECTS = 5_000;

/** Where alerts are told of in public. Neither waits, and neither throws. */
export interface AlertTeller {
  tell(alert: RaisedAlert): void;
  /** There are more of the same policy's, or tenant's, than are told of one by one; once in `windowMs`. */
  tellOmitted(alert: RaisedAlert, budget: { readonly most: number; readonly windowMs: number }): void;
}

export interface TellAlertsOptions {
  readonly database: Database;
  readonly teller: AlertTeller;
  /** Of one policy's; 60 in 10 minutes unless given, as for a receiver. */
  readonly budget?: { readonly most: number; readonly windowMs: number };
  readonly clock?: Clock;
}

/** Tells of each new alert in public, at best: receivers are who is promised to hear of it. */
export class TellAlerts {
  readonly #options: Required<TellAlertsOptions>;
  /** Those that were told of lately, and when they were raised (µs). */
  readonly #told = new Map<string, number>();
  readonly #windows = new Map<string, { readonly began: Instant; told: number }>();
  #since = 0;

  constructor(options: TellAlertsOptions) {
    this.#options = { budget: BUDGET, clock: systemClock, ...options };
  }

  /** @returns whether there may be more at once */
  async round(): Promise<boolean> {
    const since = this.#since - OVERLAP_US;
    for (const [id, at] of this.#told) if (at < since) this.#told.delete(id);
    const known = { since: Math.max(since, 0), atMostMs: NEWS_MS, except: [...this.#told.keys()], limit: PER_ROUND };
    const news = await this.#options.database.transaction((tx) => raisedAlerts(tx, known));
    for (const alert of news) {
      this.#told.set(alert.id, alert.raisedAt);
      this.#since = Math.max(this.#since, alert.raisedAt);
      this.#tell(alert);
    }
    return news.length === PER_ROUND;
  }

  #tell(alert: RaisedAlert): void {
    const { teller, budget, clock } = this.#options;
    const subject = JSON.stringify([alert.tenantName, alert.namespace, alert.policy]);
    const before = this.#windows.get(subject);
    const isOpen = before !== undefined && elapsedMs(clock, before.began) < budget.windowMs;
    const window = isOpen ? before : { began: instant(clock), told: 0 };
    window.told++;
    this.#windows.delete(subject);
    this.#windows.set(subject, window);
    const [oldest] = this.#windows.keys();
    if (this.#windows.size > MOST_SUBJECTS && oldest !== undefined) this.#windows.delete(oldest);
    if (window.told <= budget.most) teller.tell(alert);
    else if (window.told === budget.most + 1) teller.tellOmitted(alert, budget);
  }
}
