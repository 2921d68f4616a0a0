import { expect } from "@jest/globals";
import { eventually } from "../../faults/eventually.ts";
import type { InstalledCluster } from "../install/installed.ts";
import { askFrom } from "./ask.ts";
import type { Outcome } from "./load.ts";
import { queryRows } from "./rows.ts";
import type { Scene } from "./scene.ts";

/** What waits on a disk is shipped by the next process, after it has started. */
const SHIPPED_WITHIN_MS = 60_000;

interface Recorded {
  readonly request: string;
  readonly decision: "Allow" | "Deny";
  readonly times: number;
}

/**
 * Every answer that told of a decision has its one record: what was let through as `Allow`, what was refused as `Deny`. (A 503 tells of no
 * decision, whether or not there is a record, and neither does a connection that broke.) Nothing is recorded twice. Answers which requests
 * were recorded as allowed.
 */
export async function expectOnRecord(
  cluster: InstalledCluster,
  tenantId: string,
  outcomes: readonly Outcome[],
): Promise<ReadonlySet<string>> {
  const { records, lost } = await eventually(
    async () => compare(await recordsOf(cluster, tenantId), outcomes),
    (found) => found.lost.length === 0,
    SHIPPED_WITHIN_MS,
  );
  expect(lost.slice(0, 5)).toEqual([]);
  expect(records.filter(({ times }) => times > 1).slice(0, 5)).toEqual([]);
  return new Set(records.filter(({ decision }) => decision === "Allow").map(({ request }) => request));
}

/** Nothing came to an app that was not recorded as allowed, whether or not its answer reached anybody. */
export async function expectOnlyAllowed(
  cluster: InstalledCluster,
  { name, kubectl }: Scene,
  allowed: ReadonlySet<string>,
) {
  const pods = (await kubectl(["get", "pods", "--selector=app=app", "--output=name"])).trim().split("\n");
  for (const each of pods) {
    const from = { namespace: name, pod: each.replace("pod/", ""), container: "app" };
    const { body } = await askFrom(cluster, from, { url: "http://127.0.0.1:8080/seen" });
    const unrecorded = (JSON.parse(body) as string[]).filter((id) => !allowed.has(id));
    expect(unrecorded.slice(0, 5)).toEqual([]);
  }
}

function compare(records: readonly Recorded[], outcomes: readonly Outcome[]) {
  const decisions = new Map(records.map(({ request, decision }) => [request, decision]));
  const lost = outcomes.filter(({ id, status }) => {
    if (status === 200) return decisions.get(id) !== "Allow";
    return (status === 401 || status === 403) && decisions.get(id) !== "Deny";
  });
  return { records, lost };
}

async function recordsOf(cluster: InstalledCluster, tenantId: string): Promise<readonly Recorded[]> {
  return await queryRows<Recorded>(
    cluster,
    `SELECT request_id AS request, min(decision) AS decision, count(*)::int AS times FROM audit_record
      WHERE tenant_id = '${tenantId}' AND type = 'decision' AND source = 'sidecar' AND request_id IS NOT NULL GROUP BY request_id`,
  );
}
