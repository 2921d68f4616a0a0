import { readConfig } from "@heauth/program";
import { expect, test } from "@jest/globals";
import { identityProgramSettings } from "./config.ts";

const flags = {
  database: "postgresql://identity@db/heauth",
  programKey: "/keys/identity.json",
  serverSecrets: "/keys/server-secrets.json",
  ledgerKeys: "/keys/ledger-keys.json",
  listen: "0.0.0.0:8443",
  issuer: "https://auth.example.org",
};
const configured = (more: Record<string, unknown> = {}) =>
  readConfig(identityProgramSettings, { flags: { ...flags, ...more }, environment: {} }).values;

test("by itself it registers no tenants, believes no proxy, and speaks plain HTTP", () => {
  expect(configured()).toMatchObject({ tenantRegistration: false, trustedHops: 0, drain: 5_000 });
  expect(configured()).not.toHaveProperty("tlsCert");
});

test.each(Object.keys(flags))("without %s it does not start", (key) => {
  expect(() => configured({ [key]: undefined })).toThrow(`${key} is missing`);
});

test("a certificate comes with its key", () => {
  expect(configured({ tlsCert: "a", tlsKey: "b" })).toMatchObject({ tlsCert: "a", tlsKey: "b" });
  expect(() => configured({ tlsCert: "a" })).toThrow(/^tlsKey is missing; .*--tls-key/);
  expect(() => configured({ tlsKey: "b" })).toThrow(/^tlsCert is missing; .*--tls-cert/);
});
