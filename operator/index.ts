export { describeSourceProblem } from "./source/describe.ts";
export { FolderSource, type FolderSourceOptions } from "./source/folder-source.ts";
export { tenantLabel } from "./source/secret.ts";
export {
  type Kind,
  type Kinds,
  keyText,
  type Observed,
  parseKey,
  type ResourceKey,
  type ResourceSource,
  type SecretKeyRef,
  type SecretReading,
  type SourceProblem,
} from "./source/source.ts";
