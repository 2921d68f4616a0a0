export { type CallOptions, type ConnectOptions, connect, type ServiceClient } from "./client.ts";
export { CallError, fromStatus, RETRY_AFTER_TRAILER, type StatusName, toStatus } from "./errors.ts";
export { Health as GrpcHealth, ServingStatus } from "./gen/grpc/health/v1/health_pb.ts";
export * from "./gen/heauth/hub/v1/hub_pb.ts";
export {
  type HubClient,
  type HubHandlers,
  PROTOCOL,
  type SyncClientStream,
  type SyncRequestInit,
  type SyncResponseInit,
  type SyncServerStream,
} from "./hub.ts";
export {
  type CallContext,
  createServer,
  type Handlers,
  type Metadata,
  type ServeOptions,
  type ServerLimits,
  type ServiceServer,
} from "./server.ts";
export type { Changing, ServerIdentity } from "./tls.ts";
