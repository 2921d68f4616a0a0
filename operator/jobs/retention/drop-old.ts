import {
  type Database,
  type Dropped,
  dropOldPrivateParts,
  dropPrivatePartsOfSpared,
  forgetOldTraces,
  type NamedTenant,
  type Recorder,
  type Tx,
  tenantsWithRetention,
} from "@heauth/store";
import { type OnFailure, oneByOne } from "../one-by-one.ts";

export interface DropOldOptions {
  readonly database: Database;
  /** Writes what was erased into the ledger. */
  readonly recorder: Recorder;
  /** Told how many rows lost their private parts. */
  readonly onDropped?: (rows: number) => void;
  /** Told of a tenant whose private parts could not be erased; it is tried again. */
  readonly onFailure: OnFailure<NamedTenant>;
}

/**
 * Erases what is as old as its tenant lets it become: one bounded transaction of each kind for each tenant, with the record that
 * tells of it.
 * @returns whether there may be more
 */
export async function dropOld({ database, recorder, onDropped, onFailure }: DropOldOptions): Promise<boolean> {
  const tenants = await database.transaction(tenantsWithRetention);
  let more = false;
  const drop = async ({ id }: NamedTenant) => {
    const once = async (work: (tx: Tx) => Promise<Dropped>) => {
      const dropped = await database.tenantTransaction(id, work);
      more ||= dropped.more;
      return dropped.rows;
    };
    const segments = await once((tx) => dropOldPrivateParts(tx, recorder, id));
    const sessions = await once((tx) => dropPrivatePartsOfSpared(tx, recorder, id));
    await once((tx) => forgetOldTraces(tx, id));
    if (segments + sessions > 0) onDropped?.(segments + sessions);
  };
  return (await oneByOne(tenants, drop, onFailure)) && more;
}
