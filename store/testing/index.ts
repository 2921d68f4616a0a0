export { startTestServer, type TestServer } from "./server.ts";
export { type TestDatabase, testDatabase } from "./test-database.ts";
export {
  decision,
  insertSession,
  insertTenant,
  openingOf,
  TestJournal,
  type TestKeys,
  testKeys,
} from "./ledger.ts";
