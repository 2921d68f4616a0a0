import type { Cluster } from "../e2e/cluster/index.ts";

/** Between jest's globalSetup and its globalTeardown, which run in the same process. */
export const running: { cluster?: Cluster } = {};
