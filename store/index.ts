export * from "./alerts/index.ts";
export { type Database, type DatabaseOptions, openDatabase, type ProgramRole } from "./database.ts";
export { StoreError, type StoreErrorCode } from "./errors.ts";
export * from "./ledger/index.ts";
export { ensureDatabase, migrate, migrateDown } from "./migrate.ts";
export type { Tx } from "./transaction.ts";
