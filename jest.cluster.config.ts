import type { Config } from "jest";
import tests from "./jest.config.ts";

const { globalSetup: _, globalTeardown: __, testMatch: ___, maxWorkers: ____, testTimeout: _____, ...common } = tests;

/** Those that need no cluster, or start one of their own. */
const ALONE = "<rootDir>/e2e/cluster/{chart,lifecycle,node,node/ending}.test.ts";
const NOT_ALONE = ["/node_modules/", "<rootDir>/e2e/cluster/(chart|lifecycle|node|node/ending)\\.test\\.ts$"];

/** `make e2e`: the tests that need a cluster with a node, one file after another. */
const config: Config = {
  maxWorkers: 1,
  testTimeout: 60_000,
  projects: [
    { ...common, displayName: "alone", testMatch: [ALONE], testPathIgnorePatterns: ["/node_modules/"] },
    // All of these share one cluster with heauth, which is started when one of them is to run.
    {
      ...common,
      displayName: "installed",
      testMatch: ["<rootDir>/e2e/cluster/**/*.test.ts"],
      testPathIgnorePatterns: NOT_ALONE,
      globalSetup: "<rootDir>/testing/cluster-start.ts",
      globalTeardown: "<rootDir>/testing/cluster-stop.ts",
    },
  ],
};
export default config;
