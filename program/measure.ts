import type { Attributes, Meter } from "@opentelemetry/api";
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { AggregationType, MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { createLabelBounds } from "./label-values.ts";
import { type Labels, type MetricName, type MetricSpec, type MetricsOfType, metricList } from "./metrics.ts";

export interface Counter {
  add(count?: number): void;
}
export interface Histogram {
  record(value: number): void;
}
/** A gauge's value now, or one for each set of labels. */
export type Reading<N extends MetricName> = () => number | Iterable<readonly [Labels<N>, number]>;

/** A program's measurements. Take a counter or a histogram once and keep it: `add` and `record` are then cheap. */
export interface Metrics {
  counter<N extends MetricsOfType<"counter">>(name: N, labels: Labels<N>): Counter;
  histogram<N extends MetricsOfType<"histogram">>(name: N, labels: Labels<N>): Histogram;
  /** `read` is called at every scrape; what it throws leaves the gauge out. */
  gauge<N extends MetricsOfType<"gauge">>(name: N, read: Reading<N>): void;
  /** All of it in Prometheus' text format. */
  text(): Promise<string>;
}

/** Content type of `Metrics.text()`. */
export const metricsContentType = "text/plain; version=0.0.4; charset=utf-8";

/** A reader that collects when it is asked to, and has nothing to flush or to close. */
class ScrapeReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

export function createMetrics(): Metrics {
  const reader = new ScrapeReader();
  const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);
  const meter = new MeterProvider({ readers: [reader], views: bucketViews() }).getMeter("heauth");
  const bounds = new Map<MetricName, ReturnType<typeof createLabelBounds>>();
  const counters = createCounters(meter);
  const histograms = new Map<MetricName, ReturnType<Meter["createHistogram"]>>();

  function bounded<N extends MetricName>(name: N, labels: Labels<N>): Record<string, string> {
    const bound = bounds.get(name) ?? createLabelBounds(metricList[name].labels);
    bounds.set(name, bound);
    return bound(labels as Readonly<Record<string, string>>);
  }

  return {
    counter: (name, labels) => counters(name, bounded(name, labels)),
    histogram(name, labels) {
      const histogram = histograms.get(name) ?? meter.createHistogram(name, descriptionOf(name));
      histograms.set(name, histogram);
      const attributes = Object.freeze(bounded(name, labels));
      return { record: (value) => histogram.record(value, attributes) };
    },
    gauge(name, read) {
      const gauge = meter.createObservableGauge(name, descriptionOf(name));
      gauge.addCallback((result) => {
        const reading = read();
        if (typeof reading === "number") result.observe(reading);
        else for (const [labels, value] of reading) result.observe(value, bounded(name, labels));
      });
    },
    async text() {
      const { resourceMetrics } = await reader.collect();
      return serializer.serialize(resourceMetrics);
    },
  };
}

function descriptionOf(name: MetricName) {
  return { description: metricList[name].description };
}

type Series = Map<string, { labels: Attributes; count: number }>;

/** Counts are kept here and observed at a scrape: an SDK counter would hash its labels at every `add`. */
function createCounters(meter: Meter) {
  const series = new Map<MetricName, Series>();

  function created(name: MetricName): Series {
    const all: Series = new Map();
    meter.createObservableCounter(name, descriptionOf(name)).addCallback((result) => {
      for (const one of all.values()) result.observe(one.count, one.labels);
    });
    series.set(name, all);
    return all;
  }

  return (name: MetricName, labels: Record<string, string>): Counter => {
    const all = series.get(name) ?? created(name);
    const key = Object.values(labels).join("\u0000");
    const one = all.get(key) ?? { labels, count: 0 };
    all.set(key, one);
    return {
      add(count = 1) {
        one.count += count;
      },
    };
  };
}

function bucketViews() {
  const specs: [string, MetricSpec][] = Object.entries(metricList);
  return specs.flatMap(([instrumentName, { buckets }]) =>
    buckets === undefined
      ? []
      : [
          {
            instrumentName,
            aggregation: {
              type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM as const,
              options: { boundaries: [...buckets] },
            },
          },
        ],
  );
}
