import type { Config } from "jest";

const config: Config = {
  testMatch: ["<rootDir>/{core,program,protocol,store,sidecar,identity,hub,operator,cli,e2e}/**/*.test.ts"],
  // What needs a cluster with a node is run by jest.cluster.config.ts.
  testPathIgnorePatterns: ["/node_modules/", "<rootDir>/e2e/cluster/"],
  // A bundle that was made has packages of the same names.
  modulePathIgnorePatterns: ["<rootDir>/dist/"],
  extensionsToTreatAsEsm: [".ts"],
  transform: { "\\.ts$": "<rootDir>/jest.transform.mjs" },
  setupFiles: ["<rootDir>/jest.setup.mjs"],
  globalSetup: "<rootDir>/testing/postgres-start.ts",
  globalTeardown: "<rootDir>/testing/postgres-stop.ts",
  // Against hanging only: how fast a busy machine is proves nothing.
  testTimeout: 30_000,
  maxWorkers: 2,
};
export default config;
