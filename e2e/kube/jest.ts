import type * as jest from "@jest/globals";
import { kubeAssets } from "./assets.ts";

/** jest's own, which are there when a test file is loaded; this module may be loaded by others too. */
const here = globalThis as unknown as typeof jest;
const WHY = "skipped: there is no kube-apiserver on this machine, see setup/kube.sh";

/** For `beforeAll`: how long a machine that is busy with other things may take to start an API server. */
export const API_SERVER_STARTS_WITHIN_MS = 90_000;

/** `describe` where there is a real API server, else a skip that says so. */
export function describeKube(name: string, tests: () => void): void {
  if (kubeAssets() === undefined) here.describe.skip(`${name} (${WHY})`, tests);
  else here.describe(name, tests);
}

/** `test` where there is a real API server, else a skip that says so. */
export function testKube(name: string, run: () => Promise<void>, timeoutMs?: number): void {
  if (kubeAssets() === undefined) here.test.skip(`${name} (${WHY})`, run);
  else here.test(name, run, timeoutMs);
}
