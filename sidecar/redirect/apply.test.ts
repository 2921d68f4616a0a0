import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { applyRedirect } from "./apply.ts";
import { redirectRules } from "./rules.ts";

const ports = { envoyPort: 15_006, healthPort: 15_020 };
const LOOPBACK = "00000000000000000000000000000001 01 80 10 80       lo\n";
const LINK_LOCAL = "fe800000000000001c5b4ffffe2b3a11 02 40 20 80     eth0\n";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-redirect-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** The real ones need a network namespace and NET_ADMIN: these keep what they are given. */
async function tool(
  name: string,
  script = `cat > ${join(folder, `${name}.got`)}; echo "$*" >> ${join(folder, "args")}`,
) {
  await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(folder, name), 0o755);
}
async function apply(addresses?: string) {
  const ipv6Addresses = join(folder, "if_inet6");
  if (addresses !== undefined) await writeFile(ipv6Addresses, addresses);
  return applyRedirect({ ...ports, ipv6Addresses, environment: { PATH: `${folder}:/usr/bin:/bin` } });
}
const got = (name: string) => readFile(join(folder, `${name}.got`), "utf8");

test("both families get their rules, and nothing of others is flushed", async () => {
  await tool("iptables-restore");
  await tool("ip6tables-restore");
  expect(await apply(LOOPBACK + LINK_LOCAL)).toEqual(["IPv4", "IPv6"]);
  expect(await got("iptables-restore")).toBe(redirectRules("IPv4", ports));
  expect(await got("ip6tables-restore")).toBe(redirectRules("IPv6", ports));
  expect(await readFile(join(folder, "args"), "utf8")).toBe("--noflush --wait 5\n".repeat(2));
});

test.each([
  ["a kernel without it", undefined],
  ["no address", ""],
  ["the loopback address only", LOOPBACK],
])("IPv6 is left out with %s", async (_, addresses) => {
  await tool("iptables-restore");
  await tool("ip6tables-restore", "exit 1");
  expect(await apply(addresses)).toEqual(["IPv4"]);
});

test.each(["iptables-restore", "ip6tables-restore"])("a pod whose %s fails does not start", async (failing) => {
  for (const name of ["iptables-restore", "ip6tables-restore"]) await tool(name);
  await tool(failing, "echo 'no such table' >&2; exit 3");
  await expect(apply(LINK_LOCAL)).rejects.toMatchObject({
    code: "RedirectFailed",
    message: `${failing} ended with 3: no such table`,
  });
});

test("a tool that is missing is named", async () => {
  await writeFile(join(folder, "if_inet6"), "");
  const options = { ...ports, ipv6Addresses: join(folder, "if_inet6"), environment: { PATH: folder } };
  await expect(applyRedirect(options)).rejects.toMatchObject({
    code: "RedirectFailed",
    message: expect.stringContaining("iptables-restore can't be run"),
  });
});
