import { expect, test } from "@jest/globals";
import { createMetrics } from "./measure.ts";
import { type MetricSpec, metricList } from "./metrics.ts";

const specs = Object.entries(metricList) as [string, MetricSpec][];

test.each(specs)("%s is named and described by the rules", (name, { type, description, labels, buckets }) => {
  expect(name).toMatch(/^heauth_[a-z]+(_[a-z]+)*$/);
  expect(name.endsWith("_total")).toBe(type === "counter");
  expect(description).toMatch(/^[A-Z0-9].*[^.]$/);
  expect(buckets !== undefined).toBe(type === "histogram");
  for (const label of Object.keys(labels)) {
    expect(label).toMatch(/^[a-z]+$/);
    expect(label).not.toMatch(/user|login|email|subject|session|tenant|address|peer|path|query|host|ip$|token/);
  }
});

test("counters count by their labels", async () => {
  const metrics = createMetrics();
  const allowed = metrics.counter("heauth_decisions_total", { decision: "Allow", reason: "RoleMatched" });
  allowed.add();
  allowed.add(2);
  metrics.counter("heauth_decisions_total", { decision: "Allow", reason: "RoleMatched" }).add();
  metrics.counter("heauth_decisions_total", { decision: "Deny", reason: "NoCredential" }).add();
  const text = await metrics.text();
  expect(text).toContain("# TYPE heauth_decisions_total counter\n");
  expect(text).toContain('heauth_decisions_total{decision="Allow",reason="RoleMatched"} 4\n');
  expect(text).toContain('heauth_decisions_total{decision="Deny",reason="NoCredential"} 1\n');
  expect(await metrics.text()).toBe(text);
});

test("gauges are read at the scrape, one value or one for each set of labels", async () => {
  const metrics = createMetrics();
  let streams = 3;
  metrics.gauge("heauth_hub_streams", () => streams);
  metrics.gauge("heauth_database_pool_connections", () => [
    [{ program: "hub", state: "idle" }, 4],
    [{ program: "hub", state: "busy" }, 1],
  ]);
  streams = 5;
  const text = await metrics.text();
  expect(text).toContain("heauth_hub_streams 5\n");
  expect(text).toContain('heauth_database_pool_connections{program="hub",state="idle"} 4\n');
  expect(text).toContain('heauth_database_pool_connections{program="hub",state="busy"} 1\n');
});

test("a gauge that cannot be read does not take the others away", async () => {
  const metrics = createMetrics();
  metrics.gauge("heauth_hub_streams", () => {
    throw new Error("no");
  });
  metrics.gauge("heauth_policies_in_force", () => 2);
  expect(await metrics.text()).toContain("heauth_policies_in_force 2\n");
});

test("histograms have their own buckets", async () => {
  const metrics = createMetrics();
  metrics.histogram("heauth_wal_batch_records", {}).record(5);
  const text = await metrics.text();
  expect(text).toContain('heauth_wal_batch_records_bucket{le="4"} 0\n');
  expect(text).toContain('heauth_wal_batch_records_bucket{le="8"} 1\n');
  expect(text).toContain("heauth_wal_batch_records_sum 5\n");
});

test("no label grows without bounds, whatever is put into it", async () => {
  const metrics = createMetrics();
  for (let index = 0; index < 10_000; index++) {
    metrics.counter("heauth_decisions_total", { decision: "Deny", reason: `Reason${index}` }).add();
  }
  metrics.counter("heauth_decisions_total", { decision: "Deny", reason: 'eve@mail.test"\n' }).add();
  metrics.counter("heauth_decisions_total", { decision: "Maybe" as "Allow", reason: "Reason1" }).add();
  const lines = (await metrics.text()).split("\n").filter((line) => line.startsWith("heauth_decisions_total{"));
  expect(lines).toHaveLength(102);
  expect(lines).toContain('heauth_decisions_total{decision="Deny",reason="other"} 9901');
  expect(lines).toContain('heauth_decisions_total{decision="other",reason="Reason1"} 1');
});
