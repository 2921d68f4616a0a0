import { readConfig } from "@heauth/program";
import { expect, test } from "@jest/globals";
import { webhookSettings } from "./config.ts";

const configured = (flags: Record<string, unknown>) =>
  readConfig(webhookSettings, { flags: { listen: "127.0.0.1:0", ...flags }, environment: {} }).values;

test("only where to listen is needed", () => {
  expect(configured({})).toMatchObject({
    listen: { host: "127.0.0.1", port: 0 },
    service: "heauth-webhook",
    configuration: "heauth-webhook",
    certificates: "heauth-webhook-certificates",
  });
  expect(() => readConfig(webhookSettings, { flags: {}, environment: {} })).toThrow(/^listen .*--listen/);
});

test("a certificate comes with its key", () => {
  expect(configured({ tlsCert: "a", tlsKey: "b" })).toMatchObject({ tlsCert: "a", tlsKey: "b" });
  expect(() => configured({ tlsCert: "a" })).toThrow(/^tlsKey is missing; .*--tls-key/);
  expect(() => configured({ tlsKey: "b" })).toThrow(/^tlsCert is missing; .*--tls-cert/);
});

test.each(["Web", "a_b", "-a", "", "a".repeat(254)])("the Service %p is refused", (service) => {
  expect(() => configured({ service })).toThrow(/^service must be an object's name/);
});
