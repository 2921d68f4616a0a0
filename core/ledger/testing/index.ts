export { type HistoryOptions, honestHistory } from "./honest-history.ts";
export { type TestKeys, testKeys, testSigner } from "./keys.ts";
export { MemorySource, type StoredLedger } from "./memory-source.ts";
export { TestJournal, type TestJournalOptions, type TestRecord } from "./test-journal.ts";
export { TestLedger } from "./test-ledger.ts";
