export { runVerify } from "../ledger/run-verify.ts";
export { createEmbeddedDatabase, type EmbeddedDatabase, type EmbeddedDatabaseOptions } from "./embedded-database.ts";
export type { EnvoySettings } from "./envoy-bootstrap.ts";
export { createEnvoyProxy, type EnvoyProxy, type EnvoyProxyOptions } from "./envoy-proxy.ts";
export { PartError, type PartErrorCode } from "./errors.ts";
export { findEnvoy } from "./find-envoy.ts";
export { freePort } from "./free-port.ts";
