import type { Labels, Metrics } from "@heauth/program";
import type { Database } from "@heauth/store";

type Program = Labels<"heauth_database_pool_connections">["program"];

/** Measures the connections of programs in this process. */
export function measurePools(metrics: Metrics, opened: ReadonlyMap<Program, Database>): void {
  metrics.gauge("heauth_database_pool_connections", () =>
    [...opened].flatMap(([program, { pool }]) => [
      [{ program, state: "idle" }, pool.idleCount],
      [{ program, state: "busy" }, pool.totalCount - pool.idleCount],
      [{ program, state: "waiting" }, pool.waitingCount],
    ]),
  );
}
