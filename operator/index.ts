export { AnchorFiles } from "./anchor/files.ts";
export { RetainedAnchors } from "./anchor/retained.ts";
export type { AnchoredTenant, AnchorKeeper, AnchorStore } from "./anchor/store.ts";
export { getTenant } from "./anchor/tenant-status.ts";
export { createOperator, type Operator, type OperatorOptions } from "./app.ts";
export { type ClusterOperator, type ClusterOperatorOptions, createClusterOperator } from "./cluster-operator.ts";
export { OperatorError, type OperatorErrorCode } from "./errors.ts";
export { type CloseBlocksOptions, closeBlocks } from "./jobs/close-blocks/close-blocks.ts";
export type { SecretSource } from "./jobs/deliver-alerts/deliver-alerts.ts";
export type { ProgramKeys } from "./jobs/seal/key-changes.ts";
export { type RecoveryNeed, recoveryNeed } from "./jobs/seal/recovery-need.ts";
export { type SealOptions, type SealOutcome, sealTenant } from "./jobs/seal/seal-tenant.ts";
export type { FailureSink } from "./runtime/failures.ts";
export { describeSourceProblem } from "./source/describe.ts";
export { FolderSource, type FolderSourceOptions } from "./source/folder-source.ts";
export { tenantLabel } from "./source/secret.ts";
export {
  type Kind,
  type Kinds,
  keyText,
  type Observed,
  type ObservedMeta,
  type ObservedPod,
  parseKey,
  type ResourceKey,
  type ResourceSource,
  type SecretKeyRef,
  type SecretReading,
  type SourceProblem,
} from "./source/source.ts";
export type { Condition, ResourceStatus, StatusSink } from "./status/condition.ts";
export { type DatedStatus, MemoryStatus } from "./status/memory-status.ts";
