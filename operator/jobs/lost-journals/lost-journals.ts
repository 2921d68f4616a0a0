import {
  type Database,
  endLostJournal,
  type OpenJournal,
  openJournals,
  type PodWithJournals,
  podsWithJournals,
  type Recorder,
} from "@heauth/store";
import { FailingTenants } from "../failing-tenants.ts";
import type { OnFailure } from "../one-by-one.ts";
import type { PodLives } from "./pod-lives.ts";

export interface LostJournalsOptions {
  readonly database: Database;
  /** Writes the gaps. */
  readonly recorder: Recorder;
  readonly pods: PodLives;
  /** How long a pod must have been gone, and nothing have come of its journal. */
  readonly graceMs: number;
  readonly onLost?: (journal: OpenJournal & { readonly pod: string }) => void;
  /** Told of a journal that could not be ended; it is tried again. */
  readonly onFailure: OnFailure<OpenJournal>;
  /** Monotonic, ms. */
  readonly nowMs?: () => number;
}

/**
 * Ends the journals of pods that went without closing them: with their write-ahead logs all that they had not shipped is gone. Whoever
 * is asked about a pod and gives no answer ends the round: no living pod's journal is ever ended.
 */
export class LostJournals {
  readonly #options: Required<Omit<LostJournalsOptions, "onLost">> & Pick<LostJournalsOptions, "onLost">;
  readonly #failing = new FailingTenants();
  /** Since when a pod is known to be gone, by uid. */
  readonly #goneSince = new Map<string, number>();

  constructor(options: LostJournalsOptions) {
    this.#options = { nowMs: () => performance.now(), ...options };
  }

  /** One round. Never has more to do at once. */
  async round(stopping?: AbortSignal): Promise<false> {
    const { database, pods } = this.#options;
    const all = await database.read(podsWithJournals);
    const missing = all.filter((pod) => !pods.seems(nameOf(pod)));
    const still = new Set(missing.map(({ podUid }) => podUid));
    for (const uid of this.#goneSince.keys()) if (!still.has(uid)) this.#goneSince.delete(uid);
    for (const pod of missing) {
      if (stopping?.aborted) break;
      await this.#look(pod);
    }
    return false;
  }

  /** A pod is asked about when it is first missed, and again when it has been gone for long enough. */
  async #look(pod: PodWithJournals): Promise<void> {
    const { database, graceMs, nowMs, onFailure, pods } = this.#options;
    const since = this.#goneSince.get(pod.podUid);
    if (since !== undefined && nowMs() - since < graceMs) return;
    if (!(await pods.isGone(nameOf(pod)))) {
      this.#goneSince.delete(pod.podUid);
    } else if (since === undefined) {
      this.#goneSince.set(pod.podUid, nowMs());
    } else {
      const journals = await database.read((tx) => openJournals(tx, pod));
      const waiting = new Set(this.#failing.now());
      const due = journals.filter(({ tenantId }) => !waiting.has(tenantId));
      await this.#failing.oneByOne(due, (journal) => this.#end(journal, pod.pod), onFailure);
    }
  }

  async #end(journal: OpenJournal, pod: string): Promise<void> {
    const { database, recorder, graceMs, onLost } = this.#options;
    const lost = await database.tenantTransaction(journal.tenantId, (tx) =>
      endLostJournal(tx, recorder, journal, graceMs),
    );
    if (lost) onLost?.({ ...journal, pod });
  }
}

function nameOf({ pod, podUid: uid }: PodWithJournals) {
  const [namespace = "", name = ""] = pod.split("/");
  return { namespace, name, uid };
}
