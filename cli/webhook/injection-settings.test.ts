import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { readInjectionSettings } from "./injection-settings.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-injection-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function settingsOf(text: string) {
  const file = join(folder, "injection.yaml");
  await writeFile(file, text);
  return await readInjectionSettings(file, "accounts");
}
const IMAGES = "images: {heauth: 'heauth:1', envoy: 'registry:5000/envoy@sha256:0'}\n";

test("only the images are needed; the rest is as the chart and the operator make it", async () => {
  expect(await settingsOf(IMAGES)).toEqual({
    images: { heauth: "heauth:1", envoy: "registry:5000/envoy@sha256:0", pullPolicy: "IfNotPresent" },
    hub: "https://heauth-hub.accounts.svc:443",
    hubCa: { name: "heauth-trust", key: "hub-ca.crt" },
    identityKeys: { name: "heauth-trust", key: "ledger-keys.json" },
    ids: { sidecar: 43_288, envoy: 43_289, group: 43_288 },
    ports: { envoy: 15_006, health: 15_020 },
    walQuota: 1024,
    walClaims: false,
    resources: {
      redirect: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "192Mi" } },
      heauth: { requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "512Mi" } },
      envoy: { requests: { cpu: "50m", memory: "64Mi" }, limits: { memory: "256Mi" } },
    },
    namespace: "accounts",
  });
});

test("a part that is given leaves the other parts as they are", async () => {
  const settings = await settingsOf(`${IMAGES}ports: {health: 9}\nresources: {envoy: {limits: {}}}\nhub: https://h:1`);
  expect(settings.ports).toEqual({ envoy: 15_006, health: 9 });
  expect(settings.resources.envoy).toEqual({ requests: { cpu: "50m", memory: "64Mi" }, limits: {} });
  expect(settings.hub).toBe("https://h:1");
});

test.each([
  ["", "images: is missing"],
  ["images: {heauth: 'a b', envoy: c}", "images.heauth: must be an image's name"],
  ["images: {heauth: a}", "images.envoy: is missing"],
  [`${IMAGES}pots: {}`, "pots: no such field"],
  [`${IMAGES}ports: {envy: 1}`, "ports.envy: no such field"],
  [`${IMAGES}ports: {envoy: 15020}`, "ports: must be different ports"],
  [`${IMAGES}ports: {envoy: 65536}`, "ports.envoy: "],
  [`${IMAGES}ids: {envoy: 43288}`, "ids: the sidecar and Envoy must be different users"],
  [`${IMAGES}ids: {sidecar: 0}`, "ids.sidecar: "],
  [`${IMAGES}walQuota: 3`, "walQuota: "],
  [`${IMAGES}hub: http://hub:1`, "hub: must be https://HOST:PORT"],
  [`${IMAGES}resources: {heauth: {requests: {cpu: lots}}}`, "resources.heauth.requests.cpu: must be a quantity"],
  ["[", "Flow sequence"],
  ["- a", "the file: "],
])("%j is refused in one line with file and field", async (text, said) => {
  const reading = settingsOf(text);
  await expect(reading).rejects.toMatchObject({ code: "InvalidConfig" });
  await expect(reading).rejects.toThrow(`injection ${join(folder, "injection.yaml")}: ${said}`);
  await expect(reading).rejects.not.toThrow("\n");
});

test("a file that is not there is named", async () => {
  const file = join(folder, "missing.yaml");
  await expect(readInjectionSettings(file, "x")).rejects.toThrow(`injection ${file}: can't be read (ENOENT)`);
});
