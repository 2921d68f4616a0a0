import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Metrics } from "./measure.ts";

const NANOSECONDS = 1e9;

/** Measures the process itself. */
export function measureProcess(metrics: Metrics, build: { program: string; version: string }): void {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  metrics.gauge("heauth_build_info", () => [[build, 1]]);
  metrics.gauge("heauth_process_resident_bytes", () => process.memoryUsage.rss());
  metrics.gauge("heauth_process_heap_bytes", () => process.memoryUsage().heapUsed);
  metrics.gauge("heauth_event_loop_delay_seconds", () => {
    const seconds = delay.percentile(99) / NANOSECONDS;
    delay.reset();
    return seconds;
  });
}
