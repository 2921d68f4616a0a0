export { type Caller, type CallerProof, type CallerResolver, callerOfSocket } from "./callers.ts";
export type { Door, NetworkDoor, SocketDoor } from "./doors.ts";
export { HubError, type HubErrorCode } from "./errors.ts";
export { createHub, type HubLimits, type HubOptions, type RunningHub } from "./hub.ts";
export { callersOfCluster, HUB_AUDIENCE, type KubernetesCallersOptions } from "./kubernetes/callers.ts";
