import { readConfig } from "@heauth/program";
import { expect, test } from "@jest/globals";
import { goodbyesMs, hubSettings } from "./config.ts";

const flags = {
  database: "postgresql://hub@db/heauth",
  programKey: "/keys/hub.json",
  listen: "0.0.0.0:8443",
  tlsCert: "/tls/tls.crt",
  tlsKey: "/tls/tls.key",
};
const configured = (more: Record<string, unknown> = {}) =>
  readConfig(hubSettings, { flags: { ...flags, ...more }, environment: {} }).values;

test("in a pod, nothing else is needed", () => {
  expect(configured()).toMatchObject({ listen: { host: "0.0.0.0", port: 8443 }, goodbyes: 15_000 });
});

test.each(Object.keys(flags))("without %s it does not start", (key) => {
  expect(() => configured({ [key]: undefined })).toThrow(`${key} is missing`);
});

test.each([
  ["30s", "60s", 30_000],
  ["5m", "10m", 30_000],
  ["15s", "10s", 7_000],
  ["15s", "1s", 0],
])("goodbyes over %s, and a stop within %s: over %d ms", (goodbyes, stopWithin, ms) => {
  expect(goodbyesMs(configured({ goodbyes, stopWithin }))).toBe(ms);
});
