import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { tenant } from "./testing/index.ts";

const tenantId = "01920000-0000-7000-8000-000000000001";
const ledger = { epoch: 1, size: 10, note: "n", time: "2026-01-01T00:00:00Z" };
const status = { tenantId, ledger };

/** What an attacker with every right in the cluster would leave behind; and what the API server says to it. */
const attempts: readonly (readonly [string, object | undefined, RegExp])[] = [
  ["a smaller size", { tenantId, ledger: { ...ledger, size: 9 } }, /status\.ledger.*the anchor only advances/],
  ["an older epoch", { tenantId, ledger: { ...ledger, epoch: 0, size: 99 } }, /status\.ledger.*only advances/],
  ["another note", { tenantId, ledger: { ...ledger, note: "m" } }, /status\.ledger\.note.*the same note as before/],
  ["no anchor", { tenantId }, /status\.ledger.*the anchor only advances/],
  ["no status", undefined, /status\.ledger.*the anchor only advances/],
  ["an empty status", {}, /status\.ledger.*the anchor only advances/],
  ["an anchor without a note", { tenantId, ledger: { epoch: 2, size: 1 } }, /status\.ledger\.note: Required/],
  ["another tenant's id", { tenantId: tenantId.replace(/1$/, "2"), ledger }, /status\.tenantId.*same id as before/],
  ["no tenant's id", { ledger }, /status\.tenantId.*same id as before/],
];

describeKube("a Tenant's anchor, against the cluster's admin", () => {
  let server: ApiServer;

  beforeAll(async () => {
    server = await startApiServer();
    await begin();
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => server?.stop());

  /** A Tenant that stands at `status`. */
  async function begin(): Promise<void> {
    await kubectl(["delete", "tenant", "acme", "--ignore-not-found"]);
    await kubectl(["create", "-f", "-"], tenant);
    await kubectl(["replace", "--subresource=status", "-f", "-"], await withStatus(status));
  }

  async function kubectl(args: string[], input?: object): Promise<string> {
    const { stdout, stderr, code } = await server.kubectl(args, input === undefined ? "" : JSON.stringify(input));
    if (code !== 0) throw new Error(stderr);
    return stdout;
  }

  const read = async () => JSON.parse(await kubectl(["get", "tenant", "acme", "-o", "json"]));

  async function withStatus(wanted: object | undefined): Promise<object> {
    const { status: _, ...rest } = await read();
    return wanted === undefined ? rest : { ...rest, status: wanted };
  }

  /** A merge patch only takes away what it names. */
  const asPatch = (wanted: object | undefined) => {
    const absent = { tenantId: null, ledger: { epoch: null, size: null, note: null, time: null } };
    const full = wanted as { tenantId?: string; ledger?: object } | undefined;
    if (full === undefined) return { status: null };
    return {
      status: {
        tenantId: full.tenantId ?? null,
        ledger: full.ledger === undefined ? null : { ...absent.ledger, ...full.ledger },
      },
    };
  };

  test.each(attempts)("%s is refused by replace of the status", async (_, wanted, message) => {
    const object = await withStatus(wanted);
    await expect(kubectl(["replace", "--subresource=status", "-f", "-"], object)).rejects.toThrow(message);
    expect((await read()).status).toEqual(status);
  });

  test.each(attempts)("%s is refused by a patch of the status", async (_, wanted, message) => {
    const patch = JSON.stringify(asPatch(wanted));
    const args = ["patch", "tenant", "acme", "--subresource=status", "--type=merge", "-p", patch];
    await expect(kubectl(args)).rejects.toThrow(message);
    expect((await read()).status).toEqual(status);
  });

  test.each(attempts)("%s does nothing through the main resource", async (_, wanted) => {
    await kubectl(["replace", "-f", "-"], await withStatus(wanted)).catch(refused);
    await kubectl(["patch", "tenant", "acme", "--type=merge", "-p", JSON.stringify(asPatch(wanted))]).catch(refused);
    const { name } = tenant.metadata;
    const { apiVersion, kind, spec } = tenant;
    const object = { apiVersion, kind, metadata: { name }, spec, ...(wanted === undefined ? {} : { status: wanted }) };
    await kubectl(["apply", "--server-side", "--force-conflicts", "-f", "-"], object).catch(refused);
    await kubectl(["apply", "-f", "-"], object).catch(refused);
    expect((await read()).status).toEqual(status);
  });

  test("an apply to the status that owned the anchor can't leave it out", async () => {
    await begin();
    const own = { apiVersion: tenant.apiVersion, kind: tenant.kind, metadata: { name: "acme" } };
    const apply = ["apply", "--server-side", "--subresource=status", "--force-conflicts", "-f", "-"];
    await kubectl([...apply, "--field-manager=heauth-seal"], {
      ...own,
      status: { ledger: { ...ledger, size: 11, note: "m" } },
    });
    // Who wrote it first owns it too: taken over by the same manager, nobody else holds it.
    await kubectl([
      "patch",
      "tenant",
      "acme",
      "--type=json",
      "-p",
      '[{"op":"replace","path":"/metadata/managedFields","value":[{}]}]',
    ]);
    await kubectl([...apply, "--field-manager=heauth-seal"], {
      ...own,
      status: { ledger: { ...ledger, size: 12, note: "o" } },
    });
    for (const wanted of [{}, { ledger: { ...ledger, size: 11 } }, { ledger: { ...ledger, size: 12, note: "p" } }]) {
      await expect(kubectl([...apply, "--field-manager=heauth-seal"], { ...own, status: wanted })).rejects.toThrow(
        /status\.ledger/,
      );
    }
    expect((await read()).status.ledger).toMatchObject({ size: 12, note: "o" });
  });

  test.each([
    ["further", { ...ledger, size: 11, note: "m" }],
    ["into a new epoch", { ...ledger, epoch: 2, size: 1, note: "m" }],
    ["nowhere", ledger],
  ])("it may go %s", async (_, wanted) => {
    await begin();
    await kubectl(["replace", "--subresource=status", "-f", "-"], await withStatus({ tenantId, ledger: wanted }));
    expect((await read()).status.ledger).toEqual(wanted);
  });
});

/** Being refused is as good as being ignored. */
function refused(error: unknown): void {
  expect(String(error)).toMatch(/invalid|unknown field/i);
}
