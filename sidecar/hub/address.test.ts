import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogs } from "@heauth/program";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { hubAddress } from "./address.ts";

const { log } = createLogs({ program: "test", level: "silent" });
const PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n";
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-address-"));
});
afterEach(() => rm(folder, { recursive: true }));

function network(hub = "https://hub.heauth-system:8443") {
  const address = hubAddress({ hub, hubCa: join(folder, "ca.crt"), hubToken: join(folder, "token") }, log);
  if (address.network === undefined) throw new Error("no network");
  return { target: address.target, ...address.network };
}

test("on a unix socket neither token nor certificate is needed", () => {
  expect(hubAddress({ hub: "unix:/run/hub.sock" }, log)).toEqual({ target: "unix:/run/hub.sock" });
});

test.each([
  ["https://hub.heauth-system:8443", "dns:hub.heauth-system:8443"],
  ["https://hub", "dns:hub:443"],
  ["https://[::1]:8443", "dns:[::1]:8443"],
])("%s is reached at %s", (hub, target) => {
  expect(network(hub).target).toBe(target);
});

test("a token is taken without the line end that its file may have", async () => {
  await writeFile(join(folder, "token"), "e30.e30.e30\n");
  const { token } = network();
  await token.start();
  expect(token.current()).toBe("e30.e30.e30");
  await token.stop(AbortSignal.abort());
});

test.each([
  ["an empty token", "token", ""],
  ["what is no token", "token", "two\r\nlines"],
  ["no certificate", "ca.crt", "garbage"],
  ["what is none inside", "ca.crt", PEM],
  ["a certificate that is cut off", "ca.crt", PEM.slice(0, 28)],
])("%s is nothing to start with", async (_, name, content) => {
  await writeFile(join(folder, "ca.crt"), PEM);
  await writeFile(join(folder, "token"), "e30.e30.e30");
  await writeFile(join(folder, name), content);
  const { token, authorities } = network();
  const start = (name === "token" ? token : authorities).start();
  await expect(start).rejects.toMatchObject({
    code: "StartFailed",
    message: expect.stringContaining(join(folder, name)),
  });
});
