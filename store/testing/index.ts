export { databaseUrl, loginUrl } from "./database-url.ts";
export {
  decision,
  insertSession,
  insertTenant,
  openingOf,
  TestJournal,
  type TestKeys,
  type TestSession,
  testKeys,
} from "./ledger.ts";
export { type OwnServer, startOwnServer, startTestServer, type TestServer } from "./server.ts";
export { logIn, makeUser, newSession } from "./sessions.ts";
export { type TestDatabase, testDatabase } from "./test-database.ts";
