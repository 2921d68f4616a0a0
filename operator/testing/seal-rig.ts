import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  Frontier,
  type ProgramSigner,
  parseSegmentHeader,
  type Recovery,
  sha256,
  signRecovery,
  statedHead,
  type Verdict,
  verifyLedger,
} from "@heauth/core/ledger";
import { uuidv7 } from "@heauth/program";
import { type Database, insertRecovery, LedgerReader, LedgerWriter } from "@heauth/store";
import { insertTenant, type TestDatabase, testDatabase, testKeys } from "@heauth/store/testing";
import { AnchorFiles } from "../anchor/files.ts";
import { recoveryNeed } from "../jobs/seal/recovery-need.ts";
import { type SealOptions, type SealOutcome, sealTenant } from "../jobs/seal/seal-tenant.ts";

/** A real database with every program's way into it, and the anchors beside it. */
export class SealRig {
  readonly keys = testKeys();
  readonly store: TestDatabase;
  readonly operator: Database;
  readonly hub: Database;
  readonly identity: Database;
  readonly #folders: string[] = [];

  private constructor(store: TestDatabase, [operator, hub, identity]: readonly [Database, Database, Database]) {
    this.store = store;
    this.operator = operator;
    this.hub = hub;
    this.identity = identity;
  }

  static async open(): Promise<SealRig> {
    const store = await testDatabase();
    const opened = [store.database("heauth_operator"), store.database("heauth_hub"), store.database("heauth_identity")];
    return new SealRig(store, (await Promise.all(opened)) as [Database, Database, Database]);
  }

  async drop(): Promise<void> {
    await Promise.all(this.#folders.map((folder) => rm(folder, { recursive: true, force: true })));
    await this.store.drop();
  }

  /** A new tenant with a folder of its own for its anchor. */
  async tenant(): Promise<SealedTenant> {
    const name = `t${uuidv7().slice(-12)}`;
    const folder = await mkdtemp(join(tmpdir(), "heauth-seal-"));
    this.#folders.push(folder);
    return new SealedTenant(this, { name, id: await insertTenant(this.store.superuser, name) }, folder);
  }
}

/** Who asks for a recovery, and whether the anchor is concealed. */
export interface AskHow {
  readonly by?: ProgramSigner;
  readonly concealed?: boolean;
}

/** A tenant whose ledger is written by identity, and sealed when asked. */
export class SealedTenant {
  readonly name: string;
  readonly id: string;
  readonly anchors: AnchorFiles;
  readonly writer: LedgerWriter;
  readonly #rig: SealRig;
  readonly #folder: string;

  constructor(rig: SealRig, { name, id }: { readonly name: string; readonly id: string }, folder: string) {
    this.name = name;
    this.id = id;
    this.anchors = new AnchorFiles(folder);
    this.writer = new LedgerWriter({ program: "identity", programKey: rig.keys.identity });
    this.#rig = rig;
    this.#folder = folder;
  }

  get options(): SealOptions {
    const { operator: database, keys } = this.#rig;
    const now = () => Date.now() * 1000;
    return { database, anchors: this.anchors, keys: { operator: keys.operator, pinned: keys.pinned }, now };
  }

  /** Seals until nothing is left; gives the last outcome. */
  async seal(changed: Partial<SealOptions> = {}): Promise<SealOutcome> {
    for (;;) {
      const outcome = await sealTenant({ ...this.options, ...changed }, this);
      if (outcome.kind !== "Sealed" || !outcome.more) return outcome;
    }
  }

  /** One segment of identity's. */
  record(count = 1): Promise<string[]> {
    const records = Array.from({ length: count }, () => ({ type: "identity.user-created" as const }));
    return this.#rig.identity.tenantTransaction(this.id, (tx) => this.writer.append(tx, this.id, records));
  }

  async verify(anchor?: string): Promise<Verdict> {
    const { operator, keys } = this.#rig;
    return operator.read((tx) => verifyLedger(new LedgerReader(tx, this.id), keys.pinned, anchor));
  }

  /** As superuser; `$1` is the tenant. */
  sql<Row extends object>(statement: string, ...params: unknown[]): Promise<Row[]> {
    return this.#rig.store.superuser.query<Row>(statement, [this.id, ...params]);
  }

  /** Writes what `heauth ledger recover` does, as things are. */
  async askForRecovery(
    changed: Partial<Recovery> = {},
    { by = this.#rig.keys.cli, concealed = false }: AskHow = {},
  ): Promise<void> {
    const recovery = await this.#rig.store.database("heauth_recovery");
    const note = await this.anchor();
    await recovery.transaction(async (tx) => {
      const need = await recoveryNeed(tx, this.id, note, this.#rig.keys.pinned);
      if (need.kind !== "Needed") throw new Error(need.kind);
      const { head, anchor, finding } = need;
      const draft = {
        tenant: this.id,
        epoch: Math.max(head.epoch, anchor?.epoch ?? 0) + 1,
        at: Date.now() * 1000,
        reason: "restored",
        finding,
        log: statedHead(head),
        ...(anchor && !concealed && { anchor: { ...statedHead(anchor), note: note ?? "" } }),
        ...changed,
      };
      await insertRecovery(tx, this.id, signRecovery(draft, by));
    });
  }

  /** The log as it was with so many entries, all but its journal's first segment gone, as in a restored older database. */
  async rollBack(size: number): Promise<void> {
    const leaves = await this.sql<{ leaf: Buffer }>("SELECT leaf FROM log_entry WHERE tenant_id = $1 ORDER BY index");
    const tree = Frontier.empty();
    for (const { leaf } of leaves.slice(0, size)) tree.append(leaf);
    await this.sql("DELETE FROM log_entry WHERE tenant_id = $1 AND index >= $2", size);
    await this.sql("DELETE FROM checkpoint WHERE tenant_id = $1 AND size > $2", size);
    await this.sql(
      "UPDATE log_head SET size = $2, root = $3, frontier = $4 WHERE tenant_id = $1",
      size,
      tree.root(),
      tree.toBytes(),
    );
    const lost = `tenant_id = $1 AND number > 0 AND NOT EXISTS (SELECT FROM log_entry AS entry WHERE entry.tenant_id = $1
                    AND entry.kind = 'segment' AND entry.journal_id = row.journal_id AND entry.number = row.number)`;
    await this.sql(`DELETE FROM segment_session AS row WHERE ${lost}`);
    await this.sql(`DELETE FROM segment AS row WHERE ${lost}`);
    await this.sql("DELETE FROM seal_queue WHERE tenant_id = $1");
    const [last] = await this.sql<{ header: Buffer }>(
      "SELECT header FROM segment WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1",
    );
    if (last === undefined) return;
    const { number, first, count } = parseSegmentHeader(last.header);
    await this.sql(
      "UPDATE journal_head SET next_number = $2, next_seq = $3, previous = $4 WHERE tenant_id = $1",
      number + 1,
      first + count,
      sha256(last.header),
    );
  }

  /** Its anchor's note. */
  anchor(): Promise<string | undefined> {
    return this.anchors.read(this);
  }

  async end(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
