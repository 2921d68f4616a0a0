export { startTestServer, type TestServer } from "./server.ts";
export { type TestDatabase, testDatabase } from "./test-database.ts";
