import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { LedgerError, type PinnedKeys, parsePinnedKeys, type Verdict } from "@heauth/core/ledger";
import { type Database, openDatabase, type ProgramRole } from "@heauth/store";
import { locateDatabase, type Where } from "../database/locate.ts";
import { CliError } from "../errors.ts";
import type { DataFolder } from "../standalone/folder.ts";
import { checkedAnchor, readAnchorFile } from "./anchor-file.ts";
import { checkLedger, findTenantId } from "./check-ledger.ts";
import { readKubeAnchor } from "./kube-anchor.ts";
import { ProgressBar, type Terminal } from "./progress-bar.ts";
import { describeVerdict } from "./verdict-text.ts";

export interface VerifyArguments extends Where {
  readonly tenant: string;
  readonly keys?: string | undefined;
  /** A file, or `kube`. */
  readonly against?: string | undefined;
  readonly kubeconfig?: string | undefined;
  /** With `kube`: heauth's own. */
  readonly namespace?: string | undefined;
  readonly requireAnchor?: true | undefined;
  readonly requireComplete?: true | undefined;
  readonly json?: true | undefined;
}

export interface Outputs {
  readonly out: { write(text: string): unknown };
  readonly err: Terminal;
}

const INSUFFICIENT_PRIVILEGE = "42501";
/** What a login without the rights of any of our roles gets: PostgreSQL looks for tables only where it may look. */
const SEES_NOTHING = [INSUFFICIENT_PRIVILEGE, "42P01"];

/**
 * Verifies a tenant's ledger and prints one verdict.
 * @returns the exit code: 0 intact, 1 tampered, 2 could not check, 3 incomplete (with `requireComplete`)
 * @throws CliError and what the database throws: nothing could be checked, exit code 2
 */
export async function runVerify(options: VerifyArguments, { out, err }: Outputs): Promise<0 | 1 | 2 | 3> {
  const located = await locateDatabase(options);
  try {
    const pinned = await readKeys(options.keys ?? located.folder?.ledgerKeys);
    const database = await openForReading(located.url);
    const bar = new ProgressBar(err);
    try {
      // Before the ledger: the sealer moves the anchor after its commit, so the anchor read first is never ahead of an honest log.
      const anchor = await readAnchor(options, located.folder, database);
      const verdict = await database.read((tx) =>
        checkLedger(tx, {
          tenant: options.tenant,
          pinned,
          anchor,
          requireAnchor: options.requireAnchor === true,
          progress: bar.show,
        }),
      );
      bar.clear();
      out.write(options.json ? `${JSON.stringify(verdict)}\n` : describeVerdict(options.tenant, verdict));
      return exitCode(verdict, options.requireComplete === true);
    } finally {
      bar.clear();
      await database.stop();
    }
  } finally {
    await located.close();
  }
}

function exitCode(verdict: Verdict, requireComplete: boolean): 0 | 1 | 2 | 3 {
  if (verdict.status === "Tampered") return 1;
  if (verdict.status === "Unchecked") return 2;
  return requireComplete && verdict.counts.gaps + verdict.counts.recoveries > 0 ? 3 : 0;
}

async function readKeys(file: string | undefined): Promise<PinnedKeys> {
  if (file === undefined) {
    throw new CliError("InvalidOption", "give --keys FILE or --data DIR: the keys are never taken from the database");
  }
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new CliError("InvalidOption", `--keys: ${file} can't be read (${error.code})`);
  });
  try {
    return parsePinnedKeys(text);
  } catch (error) {
    if (error instanceof LedgerError) throw new CliError("InvalidOption", `--keys: ${file}: ${error.message}`);
    throw error;
  }
}

/** The anchor that was asked for, else the one that standalone keeps; undefined when there is none. */
async function readAnchor(
  { against, kubeconfig, namespace, tenant }: VerifyArguments,
  folder: DataFolder | undefined,
  database: Database,
): Promise<string | undefined> {
  if (against === "kube") {
    const tenantId = await database.read((tx) => findTenantId(tx, tenant));
    const note = await readKubeAnchor({ tenant, tenantId, kubeconfig, namespace });
    if (note === undefined) {
      throw new CliError("InvalidOption", `the Tenant ${tenant} has no anchor (yet): its status.ledger is empty`);
    }
    return checkedAnchor(note, `of the Tenant ${tenant}`);
  }
  if (kubeconfig !== undefined) throw new CliError("InvalidOption", "--kubeconfig goes with --against kube");
  if (namespace !== undefined) throw new CliError("InvalidOption", "--namespace goes with --against kube");
  const file = against ?? (folder && join(folder.anchors, `${tenant}.checkpoint`));
  if (file === undefined) return undefined;
  const note = await readAnchorFile(file);
  if (note !== undefined) return checkedAnchor(note, file);
  if (against !== undefined) throw new CliError("InvalidOption", `the anchor ${file} can't be read (ENOENT)`);
  return undefined;
}

/** As the operator, who sees every tenant's ledger; an auditor's login can't become that, and sees its own tenant's. */
async function openForReading(url: string): Promise<Database> {
  const open = (role: ProgramRole | null) =>
    openDatabase({ url, role, applicationName: "heauth ledger verify", max: 2, statementTimeout: 120_000 });
  try {
    return await open("heauth_operator");
  } catch (error) {
    if ((error as { code?: unknown }).code !== INSUFFICIENT_PRIVILEGE) throw error;
  }
  const database = await open(null);
  try {
    await database.read((tx) => tx.query("SELECT FROM tenant LIMIT 0"));
    return database;
  } catch (error) {
    await database.stop();
    if (!SEES_NOTHING.includes(String((error as { code?: unknown }).code))) throw error;
    throw new CliError(
      "InvalidOption",
      "--database: the login can't read ledgers: it must be a member of heauth_operator or heauth_auditor",
    );
  }
}
