import { join } from "node:path";
import {
  isReason,
  LedgerError,
  type PinnedKeys,
  type ProgramSigner,
  parseCheckpoint,
  signRecovery,
  statedHead,
} from "@heauth/core/ledger";
import { type RecoveryNeed, recoveryNeed } from "@heauth/operator";
import { type Database, insertRecovery, openDatabase, readLogHead } from "@heauth/store";
import { locateDatabase, type Where } from "../database/locate.ts";
import { CliError } from "../errors.ts";
import { readLedgerKeys, readProgramKey } from "../keys/read-key.ts";
import type { DataFolder } from "../standalone/folder.ts";
import { readAnchorFile } from "./anchor-file.ts";
import { findTenantId } from "./check-ledger.ts";
import { readKubeAnchor } from "./kube-anchor.ts";
import { describeRecoveryPlan } from "./recovery-text.ts";

export interface RecoverArguments extends Where {
  readonly tenant: string;
  readonly reason: string;
  readonly programKey?: string | undefined;
  readonly ledgerKeys?: string | undefined;
  readonly kubeconfig?: string | undefined;
  /** With `kubeconfig`: heauth's own. */
  readonly namespace?: string | undefined;
  readonly anchors?: string | undefined;
}

export interface RecoverTerms {
  /** Whether it is to be done, after this was shown. */
  readonly confirm: (plan: string) => Promise<boolean>;
  readonly out: { write(text: string): unknown };
  /** How long the operator is given to take it up; 15 s unless given. */
  readonly waitMs?: number;
}

type Needed = Extract<RecoveryNeed, { kind: "Needed" }>;

const LOOK_EVERY_MS = 250;
const INSUFFICIENT_PRIVILEGE = "42501";

/**
 * Asks the operator to let a tenant's log go on although its anchor contradicts it: shows what is lost, and writes a recovery under
 * the cli's key. What the anchor and the log say is checked here, and by the operator again.
 * @returns whether it was asked for
 * @throws CliError, also when there is nothing to recover; and what the database throws
 */
export async function runRecover(options: RecoverArguments, terms: RecoverTerms): Promise<boolean> {
  if (!isReason(options.reason)) {
    throw new CliError("InvalidOption", "--reason: one line of text, at most 1,000 characters");
  }
  const located = await locateDatabase(options);
  try {
    const { pinned, signer } = await readKeys(options, located.folder);
    const database = await openForRecovery(located.url);
    try {
      const tenantId = await tenantIdOf(database, options.tenant);
      const note = await readAnchor(options, located.folder, tenantId);
      const need = await database.read((tx) => recoveryNeed(tx, tenantId, note, pinned));
      const needed = checked(need, options.tenant);
      if (!(await terms.confirm(describeRecoveryPlan(options.tenant, needed)))) return false;
      const { head, anchor, finding } = needed;
      // Also behind one that nobody signed: where anchors only advance, no other would be taken.
      const epoch = Math.max(head.epoch, claimedEpoch(note)) + 1;
      const stated = anchor && note !== undefined ? { anchor: { ...statedHead(anchor), note } } : {};
      const at = Date.now() * 1000;
      const recovery = {
        tenant: tenantId,
        epoch,
        at,
        reason: options.reason,
        finding,
        log: statedHead(head),
        ...stated,
      };
      await database.transaction((tx) => insertRecovery(tx, tenantId, signRecovery(recovery, signer)));
      const begun = await hasBegun(database, tenantId, epoch, terms.waitMs ?? 15_000);
      terms.out.write(begun ? `the log of ${options.tenant} goes on in epoch ${epoch}\n` : notBegun(options.tenant));
      return true;
    } finally {
      await database.stop();
    }
  } finally {
    await located.close();
  }
}

/** The epoch that an anchor says it is of, whoever wrote it; 0 where it says none. */
function claimedEpoch(note: string | undefined): number {
  try {
    return note === undefined ? 0 : parseCheckpoint(note).epoch;
  } catch (error) {
    if (error instanceof LedgerError) return 0;
    throw error;
  }
}

function notBegun(tenant: string): string {
  return (
    `the recovery is written, and the operator has not taken it up: it does when it runs. If it runs, then log or anchor of ${tenant} ` +
    "have moved on since: run the command again\n"
  );
}

function checked(need: RecoveryNeed, tenant: string): Needed {
  if (need.kind === "None") {
    throw new CliError("NothingToRecover", `the log of ${tenant} goes on from its anchor: there is nothing to recover`);
  }
  if (need.kind === "Damaged") {
    throw new CliError(
      "NothingToRecover",
      `the log of ${tenant} is damaged in itself (${need.why}): restore a backup of the database, then recover from that`,
    );
  }
  return need;
}

async function readKeys(
  { programKey, ledgerKeys }: RecoverArguments,
  folder: DataFolder | undefined,
): Promise<{ readonly pinned: PinnedKeys; readonly signer: ProgramSigner }> {
  const keyFile = programKey ?? (folder && join(folder.keys, "cli.json"));
  const pinnedFile = ledgerKeys ?? folder?.ledgerKeys;
  if (keyFile === undefined)
    throw new CliError("InvalidOption", "give --program-key FILE (the cli's key) or --data DIR");
  if (pinnedFile === undefined) throw new CliError("InvalidOption", "give --ledger-keys FILE or --data DIR");
  const [signer, pinned] = await Promise.all([readProgramKey(keyFile, "cli"), readLedgerKeys(pinnedFile)]);
  if (!pinned.has(signer.id)) throw new CliError("InvalidOption", `${pinnedFile}: does not have ${signer.id}`);
  return { signer, pinned };
}

/** The anchor as the operator reads it. */
async function readAnchor(
  { tenant, kubeconfig, namespace, anchors }: RecoverArguments,
  folder: DataFolder | undefined,
  tenantId: string,
): Promise<string | undefined> {
  if (kubeconfig !== undefined && anchors !== undefined) {
    throw new CliError("InvalidOption", "give --kubeconfig FILE or --anchors DIR, not both: an anchor is in one place");
  }
  if (kubeconfig !== undefined) return await readKubeAnchor({ tenant, tenantId, kubeconfig, namespace });
  if (namespace !== undefined) throw new CliError("InvalidOption", "--namespace goes with --kubeconfig");
  const place = anchors ?? folder?.anchors;
  if (place === undefined) throw new CliError("InvalidOption", "give --kubeconfig FILE, --anchors DIR or --data DIR");
  return await readAnchorFile(join(place, `${tenant}.checkpoint`));
}

async function openForRecovery(url: string): Promise<Database> {
  const role = "heauth_recovery";
  try {
    return await openDatabase({
      url,
      role,
      applicationName: "heauth ledger recover",
      max: 2,
      statementTimeout: 120_000,
    });
  } catch (error) {
    if ((error as { code?: unknown }).code !== INSUFFICIENT_PRIVILEGE) throw error;
    throw new CliError("InvalidOption", `--database: the login is no member of ${role}, and may not recover logs`);
  }
}

async function tenantIdOf(database: Database, tenant: string): Promise<string> {
  const id = await database.read((tx) => findTenantId(tx, tenant));
  if (id === undefined) throw new CliError("InvalidOption", `--tenant: there is no tenant ${tenant}`);
  return id;
}

async function hasBegun(database: Database, tenantId: string, epoch: number, waitMs: number): Promise<boolean> {
  const until = performance.now() + waitMs;
  for (;;) {
    const head = await database.read((tx) => readLogHead(tx, tenantId));
    if ((head?.epoch ?? 0) >= epoch) return true;
    if (performance.now() >= until) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
