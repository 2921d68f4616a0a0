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
  /** Ends it early, between two tenants. */
  readonly stopping?: AbortSignal;
}

/** Who has much to erase has so many turns; then all tenants are looked at again. */
const MOST_TURNS = 32;

/**
 * Erases what is as old as its tenant lets it become: one bounded transaction of each kind for each tenant in turn, with the record
 * that tells of it; further turns are of those only that have more.
 * @returns whether there may be more
 */
export async function dropOld(options: DropOldOptions): Promise<boolean> {
  const { database, recorder, onDropped, onFailure, stopping } = options;
  let due = await database.transaction(tenantsWithRetention);
  for (let turn = 0; turn < MOST_TURNS && due.length > 0; turn++) due = await dropOnce(due);
  return due.length > 0;

  /** @returns those that have more */
  async function dropOnce(tenants: readonly NamedTenant[]): Promise<NamedTenant[]> {
    const left: NamedTenant[] = [];
    const work = async (tenant: NamedTenant) => {
      if (!stopping?.aborted && (await drop(tenant))) left.push(tenant);
    };
    await oneByOne(tenants, work, onFailure);
    return left;
  }

  async function drop({ id }: NamedTenant): Promise<boolean> {
    let more = false;
    const once = async (work: (tx: Tx) => Promise<Dropped>) => {
      const dropped = await database.tenantTransaction(id, work);
      more ||= dropped.more;
      return dropped.rows;
    };
    const segments = await once((tx) => dropOldPrivateParts(tx, recorder, id));
    const sessions = await once((tx) => dropPrivatePartsOfSpared(tx, recorder, id));
    await once((tx) => forgetOldTraces(tx, id));
    if (segments + sessions > 0) onDropped?.(segments + sessions);
    return more;
  }
}
