import { type PinnedKeys, type Progress, parseCheckpoint, type Verdict, verifyLedger } from "@heauth/core/ledger";
import { LedgerReader, type Tx } from "@heauth/store";
import { CliError } from "../errors.ts";

export interface CheckOptions {
  /** The tenant's name. */
  readonly tenant: string;
  readonly pinned: PinnedKeys;
  readonly anchor: string | undefined;
  readonly requireAnchor?: boolean;
  readonly progress?: Progress;
}

/**
 * Verifies a tenant's ledger as the transaction sees it.
 * @throws CliError InvalidOption when nobody knows of such a tenant, neither the database nor the anchor
 */
export async function checkLedger(tx: Tx, options: CheckOptions): Promise<Verdict> {
  const { tenant, pinned, anchor, requireAnchor = false, progress } = options;
  // A tenant whose row is gone has still had a ledger, if there is an anchor of it.
  const id = (await findTenantId(tx, tenant)) ?? (anchor === undefined ? undefined : parseCheckpoint(anchor).tenant);
  if (id === undefined)
    throw new CliError("InvalidOption", `--tenant: there is no tenant ${tenant}, or none to be seen`);
  return await verifyLedger(new LedgerReader(tx, id), pinned, anchor, { requireAnchor, ...(progress && { progress }) });
}

/** By its name, deleted or not; undefined when there is none, or none that the login sees. */
export async function findTenantId(tx: Tx, name: string): Promise<string | undefined> {
  const [row] = await tx.query<{ id: string }>("SELECT id FROM tenant WHERE name = $1", [name]);
  return row?.id;
}
