import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { get } from "./envoy/raw-request.ts";
import { type Rig, startRig } from "./envoy/rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
}, 30_000);
afterAll(() => rig?.stop());

describe("the process", () => {
  test("has its admin interface on a unix socket of its owner's, and one TCP port only", async () => {
    const admin = await stat(rig.envoy.adminSocket);
    expect([admin.isSocket(), admin.mode & 0o777]).toEqual([true, 0o600]);
    expect(await listeningPorts(rig.envoy.pid() ?? 0)).toEqual([Number(new URL(rig.envoy.url()).port)]);
  });

  test("comes back at the same address after it was killed", async () => {
    const { envoy } = rig;
    const address = envoy.url();
    const killed = envoy.pid() ?? 0;
    process.kill(killed, "SIGKILL");
    await rig.startedAgain();
    expect(envoy.pid()).not.toBe(killed);
    expect(envoy.url()).toBe(address);
    expect(await get(address, "/")).toMatchObject({ status: 200 });
  }, 20_000);
});

describe("settings", () => {
  test("an upstream that is not plain HTTP is refused", async () => {
    await expect(startRig({ upstream: new URL("https://app.test/") })).rejects.toMatchObject({ code: "NotSupported" });
  });

  test("what Envoy itself refuses is said in one line", async () => {
    const refused = startRig({ authorizerTimeoutMs: -1 });
    await expect(refused).rejects.toMatchObject({ code: "EnvoyFailed", message: expect.not.stringContaining("\n") });
  }, 20_000);
});

/** The TCP ports that a process listens on, by the inodes of its sockets (proc_pid_net(5)). */
async function listeningPorts(pid: number): Promise<number[]> {
  const links = await Promise.all(
    (await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")),
  );
  const tables = await Promise.all(["tcp", "tcp6"].map((table) => readFile(`/proc/${pid}/net/${table}`, "utf8")));
  const sockets = tables.flatMap((table) => table.split("\n").slice(1)).map((line) => line.trim().split(/\s+/));
  const mine = sockets.filter(
    ([, , , state, , , , , , inode]) => state === "0A" && links.includes(`socket:[${inode}]`),
  );
  return mine.map(([, local = ""]) => Number.parseInt(local.split(":")[1] ?? "", 16));
}
