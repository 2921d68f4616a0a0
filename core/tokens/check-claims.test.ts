import { expect, test } from "@jest/globals";
import { type ClaimExpectations, checkClaims } from "./check-claims.ts";
import { NOW, TENANT, testSession } from "./testing/session.ts";

const { claims } = testSession();
const here: ClaimExpectations = {
  issuer: claims.iss,
  tenant: TENANT,
  audiences: ["shop"],
  nowMs: NOW * 1000,
  clockSkewMs: 30_000,
};
const at = (seconds: number): ClaimExpectations => ({ ...here, nowMs: seconds * 1000 });

test.each<[name: string, expected: ClaimExpectations, reason: string | undefined]>([
  ["good here and now", here, undefined],
  ["one of several audiences", { ...here, audiences: ["other", "heauth"] }, undefined],
  ["the last moment of the skew", { ...here, nowMs: (NOW + 630) * 1000 - 1 }, undefined],
  ["expired, skew and all", at(NOW + 630), "TokenExpired"],
  ["expired without skew", { ...at(NOW + 600), clockSkewMs: 0 }, "TokenExpired"],
  ["not yet valid, within the skew", at(NOW - 30), undefined],
  ["not yet valid", at(NOW - 31), "TokenNotYetValid"],
  ["another issuer", { ...here, issuer: "https://id.example/" }, "WrongIssuer"],
  ["another tenant", { ...here, tenant: TENANT.replace(/a$/, "b") }, "WrongTenant"],
  ["another audience", { ...here, audiences: ["Shop"] }, "WrongAudience"],
  ["no audience accepted", { ...here, audiences: [] }, "WrongAudience"],
  ["expired and of another tenant: late, not suspicious", { ...at(NOW + 900), tenant: "x" }, "TokenExpired"],
])("%s", (_, expected, reason) => {
  expect(checkClaims(claims, expected)).toBe(reason);
});
