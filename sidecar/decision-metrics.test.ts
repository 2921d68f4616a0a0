import type { Decision } from "@heauth/core/policy";
import { createMetrics } from "@heauth/program";
import { expect, test } from "@jest/globals";
import { createDecisionMetrics } from "./decision-metrics.ts";
import { allowed, denied } from "./ext-authz/testing.ts";

async function counted(...decisions: Decision[]): Promise<string> {
  const metrics = createMetrics();
  const { count } = createDecisionMetrics(metrics);
  for (const decision of decisions) count(decision, 2);
  return metrics.text();
}

test("decisions are counted by reason, and timed in seconds", async () => {
  const text = await counted(
    allowed,
    allowed,
    denied({ status: 403, reason: "RoleMissing" }),
    denied({ status: 503, reason: "NoPolicy", record: false }),
  );
  expect(text).toContain('heauth_decisions_total{decision="Allow",reason="None"} 2');
  expect(text).toContain('heauth_decisions_total{decision="Deny",reason="RoleMissing"} 1');
  expect(text).toContain('heauth_decisions_total{decision="Deny",reason="NoPolicy"} 1');
  expect(text).toContain('heauth_decision_seconds_sum{decision="Allow"} 0.004');
  expect(text).toContain('heauth_decision_seconds_count{decision="Deny"} 2');
  expect(text).not.toContain("heauth_passthrough_total 1");
});

test("in Shadow mode what would be denied counts as denied", async () => {
  const text = await counted({ ...allowed, verdict: "Deny", wouldDeny: true, reason: "NoCredential" });
  expect(text).toContain('heauth_decisions_total{decision="Deny",reason="NoCredential"} 1');
});

test("stale decisions, and public requests without a record, are counted beside", async () => {
  const text = await counted({ ...allowed, stale: true }, { ...allowed, record: false });
  expect(text).toContain("heauth_stale_decisions_total 1");
  expect(text).toContain("heauth_passthrough_total 1");
});
