import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { newProgramKeyFile, type ProgramKey, parseProgramKeyFile } from "@heauth/core/keys";
import {
  buildRegistration,
  type EncodedRecord,
  JOURNAL_START,
  type JournalHead,
  type JournalProgram,
  JournalSequence,
  type PinnedKeys,
  packPrivateParts,
  pinnedKey,
  pinnedKeys,
  type RecordInput,
  type SealedSegment,
  sealSegment,
  sha256,
  signPossession,
} from "@heauth/core/ledger";
import { defaultTenantSettings, type TenantSettings } from "@heauth/core/resources";
import { uuidv7 } from "@heauth/program";
import type { IncomingSegment } from "../ledger/open-segment.ts";
import { registerJournal } from "../ledger/register.ts";
import type { RecordDraft } from "../ledger/writer.ts";
import type { Tx } from "../transaction.ts";

/** One key of each program, and all of them pinned. */
export interface TestKeys {
  readonly identity: ProgramKey;
  readonly hub: ProgramKey;
  readonly operator: ProgramKey;
  readonly cli: ProgramKey;
  readonly pinned: PinnedKeys;
}

export function testKeys(): TestKeys {
  const make = <P extends ProgramKey["program"]>(program: P) =>
    parseProgramKeyFile(newProgramKeyFile(program), program);
  const keys = { identity: make("identity"), hub: make("hub"), operator: make("operator"), cli: make("cli") };
  return {
    ...keys,
    pinned: pinnedKeys(Object.values(keys).map(({ program, publicKey }) => pinnedKey(program, publicKey))),
  };
}

/** A tenant's row, as a superuser makes it. @returns its id */
export async function insertTenant(tx: Tx, name: string, settings: Partial<TenantSettings> = {}): Promise<string> {
  const id = uuidv7();
  await tx.query("INSERT INTO tenant (id, name, managed_by, settings) VALUES ($1, $2, 'Resource', $3)", [
    id,
    name,
    JSON.stringify({ ...defaultTenantSettings(name, ["shop"]), ...settings }),
  ]);
  await tx.query("INSERT INTO outbox_head (tenant_id, seq) VALUES ($1, 0) ON CONFLICT DO NOTHING", [id]);
  return id;
}

export interface TestSession {
  readonly id: string;
  readonly statement: Buffer;
  readonly opened: number;
}

/** A user session's row, with a statement that identity signed. `opened`: µs. */
export async function insertSession(
  tx: Tx,
  keys: Pick<TestKeys, "identity">,
  tenantId: string,
  options: { readonly openedAt?: number; readonly userId?: string } = {},
): Promise<TestSession> {
  const id = uuidv7();
  const opened = options.openedAt ?? Date.now() * 1000;
  const expires = opened + 12 * 3600 * 1e6;
  const user = options.userId ?? uuidv7();
  const key = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" }).x ?? "";
  const statement = Buffer.from(
    JSON.stringify({
      expires,
      key,
      kind: "User",
      opened,
      session: id,
      signer: keys.identity.id,
      tenant: tenantId,
      user,
      v: 1,
    }),
  );
  await tx.query(
    `INSERT INTO session (tenant_id, id, kind, user_id, statement, statement_signature, audiences, opened_at, last_seen_at,
                          expires_at, refresh_rotated_at, refresh_expires_at)
     VALUES ($1, $2, 'User', $3, $4, $5, '{shop}', heauth.at($6), heauth.at($6), heauth.at($7), heauth.at($6), heauth.at($7))`,
    [tenantId, id, user, statement, keys.identity.sign("session", statement), opened, expires],
  );
  return { id, statement, opened };
}

/** What `session.open` says of a session of `insertSession`. */
export function openingOf({ id, statement, opened }: TestSession): RecordDraft {
  return { type: "session.open", at: opened, session: id, statement: sha256(statement) };
}

/** A journal outside the store, as a sidecar keeps it: seals its records into segments and ships them when asked. */
export class TestJournal {
  readonly id = uuidv7();
  readonly tenant: string;
  readonly pod: string | undefined;
  readonly key: KeyObject = generateKeyPairSync("ed25519").privateKey;
  readonly body: Buffer;
  readonly possession: Buffer;
  readonly #sequence: JournalSequence;
  readonly #source: RecordInput["source"];
  head: JournalHead = JOURNAL_START;

  constructor(
    tenant: string,
    registrar: ProgramKey,
    options: { readonly program?: JournalProgram; readonly pod?: string; readonly recovers?: readonly string[] } = {},
  ) {
    const program = options.program ?? "sidecar";
    this.tenant = tenant;
    this.pod = options.pod ?? (program === "sidecar" ? "shop/web-0" : undefined);
    this.#source = program;
    this.#sequence = new JournalSequence({ tenant, journal: this.id });
    this.body = buildRegistration({
      tenant,
      journal: this.id,
      key: this.key,
      program,
      ...(this.pod !== undefined && { pod: this.pod }),
      opened: Date.now() * 1000,
      registrar: registrar.id,
      ...(options.recovers && { recovers: options.recovers }),
    });
    this.possession = signPossession(this.body, this.key);
  }

  register(tx: Tx, registrar: ProgramKey) {
    return registerJournal(tx, this.tenant, this, registrar);
  }

  /** The next segment; a journal's first begins with its `journal.open`. */
  seal(...drafts: readonly RecordDraft[]): IncomingSegment & SealedSegment {
    const opening: RecordDraft[] = this.head.seq === 0 ? [{ type: "journal.open" }] : [];
    const at = Date.now() * 1000;
    const records = [...opening, ...drafts].map((draft) => {
      const pod = this.pod === undefined ? {} : { pod: this.pod };
      return this.#sequence.append({ at, source: this.#source, ...pod, ...draft } as RecordInput);
    });
    const sealed = this.sealRecords(records, this.head);
    this.head = sealed.next;
    return sealed;
  }

  /** Seals records as they are, at any place, signed by this journal's key: for what nobody honest would send. */
  sealRecords(
    records: readonly EncodedRecord[],
    head: JournalHead,
    journal: string = this.id,
  ): IncomingSegment & SealedSegment {
    const sealed = sealSegment({
      tenant: this.tenant,
      journal,
      signer: this.id,
      key: this.key,
      ...(this.pod !== undefined && { pod: this.pod }),
      head,
      records,
      final: records.at(-1)?.type === "journal.close",
    });
    const privates = records.flatMap((record, index) =>
      record.private === undefined ? [] : [{ index, salted: record.private }],
    );
    return { ...sealed, privates: packPrivateParts(privates) };
  }
}

/** A request that was decided, as a sidecar records it. */
export function decision(
  session: string | undefined,
  fields: Partial<Extract<RecordDraft, { type: "decision" }>> = {},
): RecordDraft {
  return {
    type: "decision",
    ...(session !== undefined && { session }),
    decision: "Allow",
    rule: "read-patient",
    action: "patient.read",
    private: { method: "GET", path: "/patients/1", peer: "192.0.2.7" },
    ...fields,
  };
}
