export {
  createHubConnection,
  type HubConnection,
  type HubConnectionOptions,
  type HubListener,
  type HubWelcome,
} from "./connection.ts";
export type { PolicyVerdict } from "./conversation.ts";
export type { HubTiming } from "./timing.ts";
export type { JournalProgress } from "./watermarks.ts";
