export { KeyError, type KeyErrorCode } from "./errors.ts";
export { newProgramKeyFile, type ProgramKey, parseProgramKeyFile } from "./program-key.ts";
export {
  newServerSecretsFile,
  parseServerSecretsFile,
  type ServerSecret,
  type ServerSecrets,
} from "./server-secrets.ts";
