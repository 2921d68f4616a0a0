import { isDeepStrictEqual } from "node:util";
import type { Logger, Part } from "@heauth/program";
import { type Database, type TenantTrouble, tenantsInTrouble } from "@heauth/store";
import { Poll } from "../../runtime/poll.ts";

export interface TroubleWatchOptions {
  readonly database: Database;
  /** Told of each tenant whose trouble is another than before, or is over. */
  readonly onChange: (tenantName: string) => void;
  readonly log: Logger;
  /** 2 s unless given. */
  readonly everyMs?: number;
}

/** Follows what the jobs leave in the database of tenants' troubles: whichever process they run in. */
export class TroubleWatch implements Part {
  readonly name = "trouble watch";
  readonly #options: TroubleWatchOptions;
  readonly #poll: Poll;
  #troubles: ReadonlyMap<string, TenantTrouble> = new Map();

  constructor(options: TroubleWatchOptions) {
    this.#options = options;
    const { log, everyMs = 2_000 } = options;
    this.#poll = new Poll({ round: () => this.round(), everyMs, log, what: "what troubles tenants" });
  }

  async start(): Promise<void> {
    this.#poll.start();
  }

  stop(): Promise<void> {
    return this.#poll.stop();
  }

  /** Something has changed in this very process. */
  look(): void {
    this.#poll.look();
  }

  of(tenantId: string): TenantTrouble | undefined {
    return this.#troubles.get(tenantId);
  }

  /** One reading. */
  async round(): Promise<void> {
    const { database, onChange } = this.#options;
    const before = this.#troubles;
    const found = await database.read(tenantsInTrouble);
    this.#troubles = new Map(found.map((trouble) => [trouble.id, trouble]));
    for (const id of new Set([...before.keys(), ...this.#troubles.keys()])) {
      const [old, now] = [before.get(id), this.#troubles.get(id)];
      const name = (now ?? old)?.name;
      if (name !== undefined && !isDeepStrictEqual(old, now)) onChange(name);
    }
  }
}
