export { type HubAddress, hubAddress } from "./address.ts";
export {
  createHubConnection,
  type HubConnection,
  type HubConnectionOptions,
  type HubListener,
  type HubWelcome,
} from "./connection.ts";
export type { PolicyName, PolicyVerdict } from "./conversation.ts";
export type { HubTiming } from "./timing.ts";
export type { JournalProgress } from "./watermarks.ts";
