export { KeyError, type KeyErrorCode } from "./errors.ts";
export {
  type KeyedProgram,
  keyedPrograms,
  newProgramKeyFile,
  type PinnedProgramKey,
  type ProgramKey,
  parseProgramKeyFile,
  pinnedProgramKey,
  programKeyId,
} from "./program-key.ts";
export {
  newServerSecretsFile,
  parseServerSecretsFile,
  type ServerSecret,
  type ServerSecrets,
} from "./server-secrets.ts";
