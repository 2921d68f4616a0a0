import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatPinnedKeys, type PinnedKeys, type Verdict } from "@heauth/core/ledger";
import type { Tx } from "@heauth/store";
import { type TestDatabase, testDatabase } from "@heauth/store/testing";
import { checkLedger } from "../check-ledger.ts";
import { type History, keys, makeHistory, TENANT } from "./history.ts";

/** What somebody with all rights on the database does to it. */
export type Tamper = (tx: Tx) => Promise<unknown>;

/** A real database with an honest history, and a folder with its pinned keys and anchors, as standalone has them. */
export interface TamperRig {
  readonly store: TestDatabase;
  readonly folder: string;
  readonly history: History;
  /** What verify says after it was done; all is then as before. `anchor`: the newest unless given, none where it is null. */
  after(tamper: Tamper, anchor?: string | null, pinned?: PinnedKeys): Promise<Verdict>;
  /** SQL with `$1` the tenant, `$2` the sidecar's journal. */
  sql(statement: string): Tamper;
  drop(): Promise<void>;
}

class Undo extends Error {}

export async function tamperRig(): Promise<TamperRig> {
  const store = await testDatabase();
  const superuser = await store.database(null);
  const folder = await mkdtemp(join(tmpdir(), "heauth-verify-"));
  const history = await makeHistory(store, join(folder, "anchors"));
  await writeFile(join(folder, "ledger-keys.json"), formatPinnedKeys(keys.pinned));
  await writeFile(join(folder, "oldest"), history.anchors[0]);
  await writeFile(join(folder, "newest"), history.anchors[1]);
  return {
    store,
    folder,
    history,
    async after(tamper, anchor, pinned = keys.pinned) {
      let verdict: Verdict | undefined;
      const work = superuser.transaction(async (tx) => {
        await tamper(tx);
        const note = anchor === null ? undefined : (anchor ?? history.anchors[1]);
        verdict = await checkLedger(tx, { tenant: TENANT, pinned, anchor: note });
        throw new Undo();
      });
      await work.catch((error: unknown) => {
        if (!(error instanceof Undo)) throw error;
      });
      if (verdict === undefined) throw new Error("no verdict");
      return verdict;
    },
    sql: (statement) => (tx) =>
      tx.query(statement.replaceAll("$1", `'${history.tenantId}'`).replaceAll("$2", `'${history.journal}'`)),
    async drop() {
      await store.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** One step after the other. */
export function all(...steps: readonly Tamper[]): Tamper {
  return async (tx) => {
    for (const step of steps) await step(tx);
  };
}

/** SQL that changes one bit of a column's byte. */
export function flip(column: string, at: number): string {
  return `${column} = set_byte(${column}, ${at}, get_byte(${column}, ${at}) # 1)`;
}
