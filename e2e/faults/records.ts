import pg from "pg";
import { eventually } from "./eventually.ts";
import type { Outcome } from "./load.ts";

/** A decision as an auditor reads it. */
export interface Recorded {
  readonly request: string;
  readonly decision: "Allow" | "Deny";
  readonly stale: boolean;
  readonly times: number;
}

/** Queries over one connection, closed afterwards. */
export async function query<Row extends object>(url: string, text: string, values: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 20_000, query_timeout: 60_000 });
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** All decisions on requests, by the request's id. */
export async function decisions(url: string): Promise<Map<string, Recorded>> {
  const rows = await query<Recorded>(
    url,
    `SELECT request_id AS request, min(decision) AS decision, bool_or(stale) AS stale, count(*)::int AS times
       FROM heauth.audit_record WHERE type = 'decision' AND source = 'sidecar' AND request_id IS NOT NULL GROUP BY request_id`,
  );
  return new Map(rows.map((row) => [row.request, row]));
}

/** Statuses that tell of a decision: each has a record. (A 503 tells of none, whether or not there is a record.) */
const decided = new Set([200, 401, 403]);

/** What waits on a disk is shipped by the next process, after it has started; a busy machine takes its time. */
const SHIPPED_WITHIN_MS = 60_000;

export interface Audit {
  readonly records: ReadonlyMap<string, Recorded>;
  /** Answered with a decision, and no record, or one of another decision. */
  readonly lost: Outcome[];
  /** Requests with more than one record. */
  readonly doubled: Recorded[];
}

/** Compares what was answered with what is in the ledger, once all of it has been shipped. */
export function audit(url: string, outcomes: readonly Outcome[]): Promise<Audit> {
  const compare = async (): Promise<Audit> => {
    const records = await decisions(url);
    const lost = outcomes.filter(({ id, status }) => {
      if (!decided.has(status)) return false;
      return records.get(id)?.decision !== (status === 200 ? "Allow" : "Deny");
    });
    return { records, lost, doubled: [...records.values()].filter(({ times }) => times > 1) };
  };
  return eventually(compare, ({ lost }) => lost.length === 0, SHIPPED_WITHIN_MS);
}
