import type { Database, Tx } from "@heauth/store";
import type { AnchorKeeper, AnchorStore } from "../../anchor/store.ts";
import type { StatusSink } from "../../status/condition.ts";
import { MemoryCluster } from "../../testing/memory-cluster.ts";

/** What a process meets that ends in the middle of its work. */
export class Ended extends Error {}

/** Counts the places at which a process may end, and ends it at one of them: from then on it does nothing any more. */
export class Faults {
  passed = 0;
  #at = Number.POSITIVE_INFINITY;

  /** @param place from 1; nothing fails unless it is given */
  begin(place = Number.POSITIVE_INFINITY): void {
    this.passed = 0;
    this.#at = place;
  }

  point(): void {
    this.passed += 1;
    if (this.passed >= this.#at) throw new Ended();
  }

  /** Before it, and after it. */
  async around<T>(work: () => Promise<T>): Promise<T> {
    this.point();
    const result = await work();
    this.point();
    return result;
  }

  /** Ends before a transaction, before each of its statements, before its commit, or after it. */
  database(database: Database): Database {
    const watched =
      <T>(work: (tx: Tx) => Promise<T>) =>
      async (tx: Tx) => {
        const result = await work({
          query: (sql, params) => {
            this.point();
            return tx.query(sql, params);
          },
        });
        this.point();
        return result;
      };
    return {
      pool: database.pool,
      transaction: (work) => this.around(() => database.transaction(watched(work))),
      tenantTransaction: (id, work) => this.around(() => database.tenantTransaction(id, watched(work))),
      read: (work) => database.read(work),
      stop: () => database.stop(),
    };
  }

  anchors(anchors: AnchorStore): AnchorStore {
    return {
      read: (tenant) => anchors.read(tenant),
      write: (tenant, note) => this.around(() => anchors.write(tenant, note)),
      forget: (tenant) => this.around(async () => anchors.forget?.(tenant)),
    };
  }

  keeper(keeper: AnchorKeeper): AnchorKeeper {
    return {
      retain: (id, note) => this.around(() => keeper.retain(id, note)),
      retained: (id) => keeper.retained(id),
      drop: (id) => this.around(() => keeper.drop(id)),
    };
  }

  status(status: StatusSink): StatusSink {
    return {
      report: (key, said) => this.around(() => status.report(key, said)),
      forget: (key) => this.around(() => status.forget(key)),
    };
  }
}

export class FaultyCluster extends MemoryCluster {
  readonly faults = new Faults();

  override setFinalizer(...args: Parameters<MemoryCluster["setFinalizer"]>): Promise<void> {
    return this.faults.around(() => super.setFinalizer(...args));
  }
}
