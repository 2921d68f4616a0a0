import { setTimeout as pause } from "node:timers/promises";
import { AUTH_POLICIES, NAMESPACES, TENANTS } from "@heauth/program/kubernetes";
import { eventually } from "../../faults/eventually.ts";
import type { ProgramProcess } from "../operator-process.ts";
import type { OperatorRig, Resource } from "../operator-rig.ts";
import { countRowsWritten, footprint, type RowCounts, writtenTables } from "./footprint.ts";
import { policyObject, tenantObject } from "./objects.ts";
import { auditedSoFar, countCalls, isIdleCall, operatorCalls } from "./operator-calls.ts";

/** What an operator did while nobody changed anything. */
export interface IdleMinute {
  /** Before: so it is known that rows are counted. */
  readonly countedBefore: RowCounts;
  readonly counted: RowCounts;
  /** Tables whose rows are not what and where they were. */
  readonly tables: readonly string[];
  /** Of the API server. */
  readonly calls: Readonly<Record<string, number>>;
  /** Of these, what is neither of the Lease nor to follow what there is. */
  readonly otherCalls: Readonly<Record<string, number>>;
  readonly resources: number;
  readonly reconciled: number;
}

const FLAGS = ["--resync", "20s"];
const IDLE_MS = 60_000;
const QUIET_WITHIN_MS = 60_000;
/** What was written last comes back by the watches, and is looked at once more. */
const LOOKED_AT_WITHIN_MS = 3_000;

/** Gives a cluster of its own two tenants with a policy each, waits until nothing is left to be done, and then a minute. */
export async function idleMinute(rig: OperatorRig): Promise<IdleMinute> {
  const { client } = rig.api;
  const counts = await countRowsWritten(rig.store);
  const names = ["idle-1", "idle-2"];
  const by = { fieldManager: "somebody" };
  await client.create(NAMESPACES, { metadata: { name: "shop" } });
  for (const name of names) {
    await client.apply(TENANTS, tenantObject(name, {}, {}), by);
    await client.apply(AUTH_POLICIES, policyObject("shop", name, { tenantRef: { name } }), by);
  }
  const first = await rig.startOperator({ flags: FLAGS });
  for (const name of names) {
    await rig.until(`tenant/${name}`, ({ status }) => status?.ledger !== undefined);
    await rig.until(`authpolicy/${name}`, ({ status }) => status?.policyDigest !== undefined, { namespace: "shop" });
  }
  // One that ends writes the anchors that it would have written half a minute later.
  await first.stop();
  const operator = await rig.startOperator({ flags: FLAGS });
  await operator.said(({ msg }) => msg === "everything has been reconciled once");
  const left = await eventually(
    () => leftToDo(rig, operator, names),
    (each) => each.length === 0,
    QUIET_WITHIN_MS,
  );
  if (left.length > 0) throw new Error(`there is always something left to do: ${left.join(", ")}`);
  await pause(LOOKED_AT_WITHIN_MS);

  const from = await auditedSoFar(rig);
  const before = await operator.metric("heauth_reconciles_total");
  const [rows, countedBefore] = [await footprint(rig.store), await counts()];
  await pause(IDLE_MS);
  const calls = await operatorCalls(rig, from);
  return {
    countedBefore,
    counted: await counts(),
    tables: writtenTables(rows, await footprint(rig.store)),
    calls: countCalls(calls),
    otherCalls: countCalls(calls.filter((call) => !isIdleCall(call))),
    resources: 2 * names.length,
    reconciled: (await operator.metric("heauth_reconciles_total")) - before,
  };
}

async function leftToDo(rig: OperatorRig, operator: ProgramProcess, names: readonly string[]): Promise<string[]> {
  const { superuser } = rig.store;
  const logs = await superuser.query<{ name: string; size: number }>(
    "SELECT name, size::float8 FROM log_head JOIN tenant ON tenant.id = tenant_id",
  );
  const anchored = async (name: string) =>
    (await rig.get<Resource>(`tenant/${name}`)).status?.ledger?.size === logs.find((log) => log.name === name)?.size;
  const behind = await Promise.all(names.map(async (name) => ((await anchored(name)) ? [] : [`anchor of ${name}`])));
  const waiting = {
    queue: await operator.metric("heauth_queue_depth"),
    anchors: await operator.metric("heauth_anchors_unwritten"),
    records: (await superuser.query("SELECT FROM seal_queue")).length,
  };
  return [...behind.flat(), ...Object.entries(waiting).flatMap(([name, count]) => (count > 0 ? [name] : []))];
}
