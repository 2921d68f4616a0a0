export { type EmbeddedErrorCode, EmbeddedPostgresError } from "./errors.ts";
export { wasAbandoned } from "./owner.ts";
export { type EmbeddedOptions, EmbeddedPostgres, runningUrl } from "./postgres.ts";
export { endLeftover } from "./processes.ts";
