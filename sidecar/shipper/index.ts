export type {
  HubJournals,
  HubSegment,
  JournalRegistration,
  JournalWatermark,
  RecoveredJournal,
} from "./hub-journals.ts";
export {
  type Durability,
  type Journal,
  type JournalInput,
  type JournalProgress,
  type JournalRemainder,
  type JournalState,
  openJournal,
} from "./journal.ts";
export { createJournalMetrics, type JournalMetrics } from "./journal-metrics.ts";
export { defaultLimits, type JournalLimits, type JournalOptions, type JournalOwner } from "./journal-options.ts";
