import type { Logger } from "@heauth/program";
import { SidecarError } from "../errors.ts";
import type { LiveJournal } from "./live-journal.ts";

/**
 * How records are acknowledged when the disk goes away with the pod: by the hub, as long as it commits, and else by the disk, for the app
 * is still asked for.
 */
export class LeavingDisk {
  readonly #log: Pick<Logger, "info" | "warn">;
  /** How far the hub was when somebody waited for it in vain. */
  #stuck: { journal: string; committed: number } | undefined;

  constructor(log: Pick<Logger, "info" | "warn">) {
    this.#log = log;
  }

  /** Resolves when the hub has committed the record, or does not commit. Rejects with JournalFailed. */
  async committed(live: Pick<LiveJournal, "id" | "committed" | "untilCommitted">, seq: number): Promise<void> {
    if (this.#isStuck(live)) return;
    try {
      await live.untilCommitted(seq);
    } catch (error) {
      if (!(error instanceof SidecarError) || error.code !== "JournalTimeout") throw error;
      if (this.#isStuck(live)) return;
      this.#stuck = { journal: live.id, committed: live.committed };
      this.#log.warn({ ...this.#stuck }, "the hub commits nothing: records count when they are on the disk");
    }
  }

  #isStuck({ id, committed }: Pick<LiveJournal, "id" | "committed">): boolean {
    if (this.#stuck === undefined) return false;
    if (this.#stuck.journal === id && this.#stuck.committed === committed) return true;
    this.#stuck = undefined;
    this.#log.info({ journal: id, committed }, "the hub commits again: records count when it has them");
    return false;
  }
}
