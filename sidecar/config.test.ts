import { readConfig } from "@heauth/program";
import { expect, test } from "@jest/globals";
import { sidecarSettings, walLimits } from "./config.ts";
import { completeLimits } from "./shipper/journal-options.ts";

const flags = { hub: "unix:/run/hub.sock", socket: "/run/s", wal: "/var/wal", identityKeys: "/etc/keys.json" };
const configured = (more: Record<string, unknown> = {}) =>
  readConfig(sidecarSettings, { flags: { ...flags, ...more }, environment: {} }).values;

test("defaults", () => {
  expect(configured()).toMatchObject({ walQuota: 1024, logLevel: "info", stopWithin: 25_000 });
});

test.each([
  ["hub", "127.0.0.1:80"],
  ["hub", "http://hub:8443"],
  ["hub", "https://hub:8443/path"],
  ["hub", "https://me@hub:8443"],
  ["socket", "relative"],
  ["wal", "relative"],
  ["walQuota", "3"],
  ["walQuota", "many"],
  ["identityKeys", "relative"],
  ["podEnvoy", "relative"],
  ["podEnvoyPort", "65536"],
  ["healthPort", "0"],
])("a wrong %s (%s) is named in one line, with an example", (key, value) => {
  expect(() => configured({ [key]: value })).toThrow(new RegExp(`^${key} .*; for example .*\\(--`));
});

test.each(["hub", "socket", "wal", "identityKeys"])("without %s it does not start", (key) => {
  expect(() => configured({ [key]: undefined })).toThrow(`${key} is missing`);
});

test.each(["podEnvoy", "podEnvoyPort"])("an Envoy in the pod has both a folder and a port: not without %s", (key) => {
  const inPod = { podEnvoy: "/run/heauth/envoy", podEnvoyPort: "15006" };
  expect(configured(inPod)).toMatchObject({ podEnvoy: "/run/heauth/envoy", podEnvoyPort: 15_006 });
  expect(() => configured({ ...inPod, [key]: undefined })).toThrow(`${key} is missing`);
});

test.each(["hubCa", "hubToken"])("a hub on the network is not spoken to without %s", (key) => {
  const network = { hub: "https://hub:8443", hubCa: "/etc/ca.crt", hubToken: "/run/token" };
  expect(configured(network)).toMatchObject(network);
  expect(() => configured({ ...network, [key]: undefined })).toThrow(`${key} is missing`);
});

const inPod = { podEnvoy: "/run/heauth/envoy", podEnvoyPort: "15006" };
const checked = (checks: string, more: object = { ...inPod, healthPort: "15020" }) =>
  readConfig(sidecarSettings, { flags: { ...flags, ...more }, environment: { HEAUTH_KUBELET_CHECKS: checks } }).values;

test("what the kubelet would do is read from the environment", () => {
  const checks = { "app/readiness": { httpGet: { path: "/r", port: 8080, host: "" }, timeoutSeconds: 2 } };
  expect(checked(JSON.stringify(checks))).toMatchObject({
    healthPort: 15_020,
    kubeletChecks: { "app/readiness": { httpGet: { path: "/r", port: 8080, scheme: "HTTP" }, timeoutSeconds: 2 } },
  });
  expect(configured().kubeletChecks).toEqual({});
});

test.each([
  ["no JSON", "{", /must be JSON/],
  ["a key that is no page", '{"app":{"tcpSocket":{"port":1}}}', /entry app: /],
  ["a port by a name", '{"app/liveness":{"tcpSocket":{"port":"secret"}}}', /entry app\/liveness\.tcpSocket\.port: /],
  ["nothing to do", '{"app/liveness":{}}', /entry app\/liveness: must have one of/],
  [
    "two things",
    '{"app/liveness":{"tcpSocket":{"port":1},"grpc":{"port":1}}}',
    /entry app\/liveness: must have one of/,
  ],
  ["no scheme", '{"app/liveness":{"httpGet":{"port":1,"scheme":"secret"}}}', /app\/liveness\.httpGet\.scheme: /],
  [
    "no header",
    '{"app/liveness":{"httpGet":{"port":1,"httpHeaders":[{"name":"a b","value":"secret"}]}}}',
    /\.0\.name: /,
  ],
])("checks that are %s are named by their field, without what is in it", (_, checks, message) => {
  expect(() => checked(checks)).toThrow(expect.objectContaining({ code: "InvalidConfig" }));
  expect(() => checked(checks)).toThrow(message);
  expect(() => checked(checks)).not.toThrow(/secret/);
});

test("a health port is for an Envoy in the pod, and checks are for a health port", () => {
  expect(() => configured({ healthPort: "15020" })).toThrow("podEnvoy is missing");
  expect(() => checked('{"app/liveness":{"tcpSocket":{"port":1}}}', inPod)).toThrow("healthPort is missing");
});

test.each([
  [4, 4 * 2 ** 20, 2 ** 18],
  [64, 64 * 2 ** 20, 4 * 2 ** 20],
  [1024, 2 ** 30, 64 * 2 ** 20],
  [1_000_000, 1_000_000 * 2 ** 20, 64 * 2 ** 20],
])("a quota of %d MiB is cut into files that a journal takes", (walQuota, quota, fileSize) => {
  const limits = walLimits({ walQuota });
  expect(limits).toEqual({ quota, fileSize });
  expect(completeLimits(limits)).toMatchObject(limits);
});
