import type { Metrics } from "@heauth/program";

/** What a journal tells the metrics. */
export interface JournalMetrics {
  /** One flush made so many records durable. */
  flushed(records: number, seconds: number): void;
  diskFailed(): void;
  /** The hub acknowledged so many segments. */
  shipped(segments: number): void;
  /** A gap record was written. */
  gap(reason: string): void;
}

export function createJournalMetrics(metrics: Metrics): JournalMetrics {
  const flushSeconds = metrics.histogram("heauth_wal_flush_seconds", {});
  const batchRecords = metrics.histogram("heauth_wal_batch_records", {});
  const records = metrics.counter("heauth_records_total", {});
  const failures = metrics.counter("heauth_wal_failures_total", {});
  const segments = metrics.counter("heauth_segments_shipped_total", {});
  return {
    flushed(count, seconds) {
      flushSeconds.record(seconds);
      batchRecords.record(count);
      records.add(count);
    },
    diskFailed: () => failures.add(),
    shipped: (count) => segments.add(count),
    gap: (reason) => metrics.counter("heauth_gaps_total", { reason }).add(),
  };
}
