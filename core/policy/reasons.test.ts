import { expect, test } from "@jest/globals";
import { reasons } from "./reasons.ts";

test("whoever forges a token learns nothing: every 401 looks alike", () => {
  const denied = Object.values(reasons).filter(({ status }) => status === 401);
  expect(new Set(denied.map(({ code, detail }) => `${code} ${detail}`)).size).toBe(1);
});

test("no public text names what was wrong with a session or a token", () => {
  for (const { code, detail, status } of Object.values(reasons)) {
    if (status !== 400)
      expect(`${code} ${detail}`).not.toMatch(/signature|tag|tenant|audience|expired|closed|revoked|role/i);
  }
});

test("what raises an alert", () => {
  const alerting = Object.entries(reasons).filter(([, { alert }]) => alert !== "Never");
  expect(alerting.map(([name, { alert }]) => `${name} ${alert}`).sort()).toEqual(
    [
      "BadSignature Each",
      "BadStatement Each",
      "BadTag Runs",
      "RefreshReuse Each",
      "SessionClosed Each",
      "WrongAudience Each",
      "WrongTenant Each",
    ].sort(),
  );
});
