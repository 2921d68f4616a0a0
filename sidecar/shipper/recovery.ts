import type { KeyObject } from "node:crypto";
import type { RecordInput } from "@heauth/core/ledger";
import type { WalFolder } from "../wal/folder.ts";
import type { Leftover } from "../wal/leftovers.ts";
import { MAX_RECOVERS, type RecoveredJournal } from "./hub-journals.ts";
import { JournalChain } from "./journal-chain.ts";
import type { JournalOptions, JournalOwner } from "./journal-options.ts";
import { LeftoverSource } from "./leftover-source.ts";
import { planRecovery, type RecoveryPlan } from "./recovery-plan.ts";
import type { Consignment, Shipper } from "./shipper.ts";

/** The journal that signs for ended ones. */
export interface RecoveringJournal {
  readonly id: string;
  readonly key: KeyObject;
  append(input: RecordInput): { durable: () => Promise<void> };
}

export interface RecoveryOptions extends Pick<JournalOptions, "clock" | "log" | "metrics"> {
  folder: WalFolder;
  shipper: Shipper;
  owner: JournalOwner;
}

/** Ships what ended processes left, and lets go of their files when the hub has committed it. */
export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #remaining: Set<Leftover>;
  #settling: Promise<void> = Promise.resolve();

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.#remaining = new Set(options.folder.leftovers);
  }

  /** Bytes of the disk that are taken by what is not settled yet. */
  get used(): number {
    return [...this.#remaining].reduce((sum, { size }) => sum + size, 0);
  }

  /** Journals that are not settled yet. */
  get remaining(): number {
    return this.#remaining.size;
  }

  /** Journals that the owner's next journal may sign for: the oldest where there are too many; the rest is the next process's. */
  get recoverable(): string[] {
    return this.#mine()
      .slice(0, MAX_RECOVERS)
      .map(({ journal }) => journal);
  }

  /** Begins: what is missing is on record, durably, when this resolves; the shipping goes on in the background. */
  async begin(journal: RecoveringJournal, known: readonly RecoveredJournal[]): Promise<void> {
    const mine = this.#mine();
    for (const leftover of this.#remaining) if (!mine.includes(leftover)) this.#keep(leftover);
    for (const leftover of mine.slice(0, MAX_RECOVERS)) {
      const plan = planRecovery(
        leftover,
        known.find((one) => one.journal === leftover.journal),
      );
      await this.#report(journal, leftover, plan);
      if (plan.ship === undefined) this.#settle(leftover, plan);
      else this.#options.shipper.add(this.#consignment(journal, leftover, plan, plan.ship));
    }
  }

  /** Waits until files that are being let go of are gone. */
  stop(): Promise<void> {
    return this.#settling;
  }

  #mine(): Leftover[] {
    const { tenant, pod } = this.#options.owner;
    return [...this.#remaining].filter(({ owner }) => owner?.tenant === tenant && owner.pod === pod);
  }

  /** Whose journal it is can't be read, or it is another's: this journal must not sign for it. */
  #keep(leftover: Leftover): void {
    const { journal, owner } = leftover;
    if (owner === undefined) {
      this.#options.log.error({ journal }, "an ended journal cannot be read; its files are quarantined");
      this.#settle(leftover, { outcome: "Quarantine" });
    } else {
      this.#options.log.warn({ journal, ...owner }, "an ended journal is another owner's; its files stay");
    }
  }

  async #report(journal: RecoveringJournal, { journal: ended, next }: Leftover, plan: RecoveryPlan): Promise<void> {
    const { clock, log, metrics, owner } = this.#options;
    const { ship, gap, outcome } = plan;
    log.info({ journal: ended, next, from: ship?.head.seq, to: ship?.to }, "an ended process left a journal");
    if (outcome === "Quarantine") log.error({ journal: ended, ...gap }, "an ended journal is corrupt");
    if (gap === undefined) return;
    const at = clock.wallMicros();
    metrics.gap(gap.reason);
    await journal.append({ type: "gap", at, source: "sidecar", pod: owner.pod, ...gap }).durable();
  }

  #consignment(
    { id, key }: RecoveringJournal,
    leftover: Leftover,
    plan: RecoveryPlan,
    ship: NonNullable<RecoveryPlan["ship"]>,
  ): Consignment {
    const { clock, log, owner, shipper } = this.#options;
    const { tenant, pod } = owner;
    const { journal } = leftover;
    const source = new LeftoverSource(leftover, ship, owner, clock.wallMicros());
    const chain = new JournalChain({ tenant, journal, pod, signer: id, key, head: ship.head, source });
    const consignment: Consignment = {
      chain,
      isUrgent: () => true,
      onAcknowledged: ({ nextSeq }) => {
        if (nextSeq < source.available) return;
        shipper.remove(consignment);
        this.#settle(leftover, plan);
      },
      onFailed: (error) => log.error({ journal, error }, "an ended journal cannot be shipped; its files stay"),
    };
    return consignment;
  }

  #settle(leftover: Leftover, { outcome }: Pick<RecoveryPlan, "outcome">): void {
    const { folder, log } = this.#options;
    const { journal } = leftover;
    this.#settling = this.#settling
      .then(() => folder.settle(leftover, outcome))
      .then(() => {
        this.#remaining.delete(leftover);
        log.info({ journal, outcome }, "an ended journal is settled");
      })
      .catch((error: unknown) => log.error({ journal, error }, "an ended journal's files cannot be let go of"));
  }
}
