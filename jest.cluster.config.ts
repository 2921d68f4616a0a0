import type { Config } from "jest";
import tests from "./jest.config.ts";

/** `make e2e`: the tests that need a cluster with a node, one file after another. */
const { globalSetup: _, globalTeardown: __, ...common } = tests;
const config: Config = {
  ...common,
  testMatch: ["<rootDir>/e2e/cluster/**/*.test.ts"],
  testPathIgnorePatterns: ["/node_modules/"],
  testTimeout: 60_000,
  maxWorkers: 1,
};
export default config;
