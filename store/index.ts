export * from "./alerts/index.ts";
export { type Database, type DatabaseOptions, openDatabase, type ProgramRole, SILENCE_MS } from "./database.ts";
export { deleteUser } from "./delete-user.ts";
export { StoreError, type StoreErrorCode, takenIn } from "./errors.ts";
export * from "./ledger/index.ts";
export {
  dropOldLoginAttempts,
  giveBackLoginAttempt,
  type LoginAttempt,
  type LoginCounter,
  takeLoginAttempt,
} from "./login-failures.ts";
export { ensureDatabase, migrate, migrateDown } from "./migrate.ts";
export {
  emit,
  emitAll,
  OUTBOX_CHANNEL,
  type OutboxCursor,
  type OutboxDraft,
  type OutboxEvent,
  type OutboxKind,
  outboxHeads,
  readOutboxSince,
} from "./outbox.ts";
export {
  deletePolicy,
  type PolicyName,
  policiesIn,
  policiesNamed,
  policyNames,
  putPolicy,
  type StoredPolicy,
  type StoredSelector,
  selectorsIn,
} from "./policies.ts";
export { type AckNews, acksSince, dropPolicyAcks, notePolicyAck, type PolicyAck, policyAcks } from "./policy-acks.ts";
export { primaryId } from "./primary.ts";
export type { Recorder } from "./recorder.ts";
export { type ResourceNames, resourceNames } from "./resource-names.ts";
export { SCHEMA_VERSION, type SchemaState, schemaState } from "./schema-version.ts";
export { type TimedOutSession, timedOutSessions } from "./sessions/expire.ts";
export { type StoredSessionKey, sessionKey } from "./sessions/key.ts";
export { type OpenSession, openSessionsOf } from "./sessions/list.ts";
export { lookUpSessions, type SessionFinding, type SessionState } from "./sessions/lookup.ts";
export { type NewSession, openSession, type SessionLimits } from "./sessions/open.ts";
export { type Refreshed, type RefreshOutcome, type RefreshRequest, refreshSession } from "./sessions/refresh.ts";
export { type Revocation, revokeSessions } from "./sessions/revoke.ts";
export { touchSession } from "./sessions/touch.ts";
export { addTagKey, removeTagKey, tagKeys, tagKeysOf } from "./tag-keys.ts";
export {
  createTenant,
  dropTenant,
  endTenant,
  putTenant,
  type ReclaimPolicy,
  type StoredTenant,
  someOpenSessions,
  type TenantOfResource,
  tenantHolding,
} from "./tenant-resources.ts";
export { type TenantTrouble, tenantsInTrouble } from "./tenant-trouble.ts";
export {
  listTenants,
  type ManagedBy,
  registerTenant,
  setTenantPasswordHash,
  type Tenant,
  type TenantAccount,
  tenantAccount,
  tenantById,
  tenantByName,
} from "./tenants.ts";
export { fenced, takeTerm } from "./terms.ts";
export type { Tx } from "./transaction.ts";
export { addRoles, setRoles } from "./user-roles.ts";
export {
  createUser,
  listUsers,
  type NewUser,
  rehashPassword,
  type User,
  type UserQuery,
  userByLogin,
  userForLogin,
} from "./users.ts";
