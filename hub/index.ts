export { type Caller, type CallerResolver, callerOfSocket } from "./callers.ts";
export { HubError, type HubErrorCode } from "./errors.ts";
export { createHub, type Door, type HubLimits, type HubOptions } from "./hub.ts";
