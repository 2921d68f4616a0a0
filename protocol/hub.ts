import type { MessageInitShape } from "@bufbuild/protobuf";
import type { GenService } from "@bufbuild/protobuf/codegenv2";
import type { ClientDuplexStream, ServerDuplexStream } from "@grpc/grpc-js";
import type { ServiceClient } from "./client.ts";
import type {
  Hub,
  SyncRequest,
  SyncRequestSchema,
  SyncResponse,
  SyncResponseSchema,
} from "./gen/heauth/hub/v1/hub_pb.ts";
import type { Handlers } from "./server.ts";

/** Version of the protocol, in Hello and Welcome. */
export const PROTOCOL = 1;

type HubMethods = typeof Hub extends GenService<infer M> ? M : never;

/** The hub as a sidecar calls it. */
export type HubClient = ServiceClient<HubMethods>;
/** The hub as it answers. */
export type HubHandlers = Handlers<HubMethods>;

export type SyncRequestInit = MessageInitShape<typeof SyncRequestSchema>;
export type SyncResponseInit = MessageInitShape<typeof SyncResponseSchema>;
/** The stream at the sidecar's end. */
export type SyncClientStream = ClientDuplexStream<SyncRequestInit, SyncResponse>;
/** The stream at the hub's end. */
export type SyncServerStream = ServerDuplexStream<SyncRequest, SyncResponseInit>;
