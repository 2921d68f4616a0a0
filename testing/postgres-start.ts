import { startTestServer } from "@heauth/store/testing";
import { running } from "./postgres-running.ts";

/** jest's globalSetup: one PostgreSQL for the whole run. */
export default async function start(): Promise<void> {
  running.server = await startTestServer();
  process.env["HEAUTH_TEST_POSTGRES"] = running.server.url;
}
