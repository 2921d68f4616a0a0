import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import { type InstalledCluster, installedCluster } from "./install/installed.ts";
import { askFrom } from "./testing/ask.ts";
import { verifyLedger } from "./testing/cli.ts";
import { logApps, podWithClaim } from "./testing/log-apps.ts";
import { type Login, peopleOf } from "./testing/people.ts";
import { decisionsOf, queryRows } from "./testing/rows.ts";
import { createScene, type Scene } from "./testing/scene.ts";
import { without } from "./testing/without.ts";

const REQUESTS = 4;
/** The operator's `--lost-after` (60 s), and time for a busy machine. */
const LOST_WITHIN_MS = 150_000;
const READY_WITHIN = "--timeout=120s";

interface Pod {
  readonly name: string;
  readonly uid: string;
  readonly ip: string;
}

describe("what a pod's sidecar had not shipped when the pod went", () => {
  let cluster: InstalledCluster;
  let scene: Scene;
  let login: Login;
  let lost: Pod;

  beforeAll(async () => {
    cluster = await installedCluster();
    const selector = { matchExpressions: [{ key: "app", operator: "In", values: ["app", "kept", "orderly"] }] };
    scene = await createScene(cluster, { policy: { selector } });
    const apps = scene.kubectl(["apply", "--filename=-"], logApps(cluster.images.echo));
    // The sessions that a sidecar knows serve for so long without the hub.
    const longer = JSON.stringify({ spec: { authentication: { maxStaleness: "60s" } } });
    await Promise.all([apps, scene.kubectl(["patch", "authpolicy/app", "--type=merge", `--patch=${longer}`])]);
    const people = await peopleOf(cluster, scene.name, scene.client);
    login = await people.logIn(await people.create("reader"));
    await scene.kubectl(["wait", "pod/orderly", "--for=condition=Ready", READY_WITHIN]);
    await scene.kubectl(["rollout", "status", "statefulset/kept", READY_WITHIN]);
    await scene.kubectl(["wait", "authpolicy/app", "--for=condition=Enforced", READY_WITHIN]);
  }, 300_000);
  afterAll(() => scene?.remove());

  async function podOf(app: string): Promise<Pod> {
    const query = ["get", "pods", `--selector=app=${app}`, "--output=json"];
    const [pod] = JSON.parse(await scene.kubectl(query)).items;
    return { name: pod.metadata.name, uid: pod.metadata.uid, ip: pod.status.podIP };
  }
  async function ask({ ip }: Pod, path: string): Promise<number> {
    const url = `http://${ip}:8080/${path}`;
    return (await askFrom(cluster, scene.client, { url, token: login.accessToken })).status;
  }
  /** From then on a sidecar knows the session, also without the hub. */
  async function meet(pod: Pod): Promise<void> {
    const answer = await eventually(
      () => ask(pod, "before"),
      (each) => each === 200,
      60_000,
    );
    expect(answer).toBe(200);
  }
  /** Answers the paths that were allowed. */
  async function askAll(pod: Pod, what: string): Promise<string[]> {
    const paths = Array.from({ length: REQUESTS }, (_, number) => `${what}-${number}`);
    expect(await Promise.all(paths.map((path) => ask(pod, path)))).toEqual(paths.map(() => 200));
    return paths.map((path) => `/${path}`);
  }
  async function recorded(what: string, atLeast: number): Promise<(string | null)[]> {
    const found = await eventually(
      () => decisionsOf(cluster, login.session, 0),
      (records) => records.filter(({ path }) => path?.startsWith(`/${what}-`)).length >= atLeast,
      60_000,
    );
    const paths = found.filter(({ path }) => path?.startsWith(`/${what}-`)).map(({ path }) => path);
    return paths.toSorted();
  }

  test("is lost with a pod that is deleted by force, and shipped from a claim by the next pod, when the hub is back", async () => {
    const kept = await podOf("kept");
    lost = await podOf("app");
    await Promise.all([meet(kept), meet(lost)]);
    const paths = await without(cluster, "hub", async () => {
      const [allowed] = await Promise.all([askAll(kept, "kept"), askAll(lost, "lost")]);
      await Promise.all([
        scene.kubectl(["delete", `pod/${lost.name}`, "--force", "--grace-period=0"]),
        scene.kubectl(["delete", `pod/${kept.name}`]),
      ]);
      return allowed;
    });
    expect(await recorded("kept", REQUESTS)).toEqual(paths);
    expect(await recorded("lost", 0)).toEqual([]);
    await scene.kubectl(["rollout", "status", "statefulset/kept", READY_WITHIN]);
    const next = await podOf("kept");
    expect([next.name, next.uid === kept.uid]).toEqual([kept.name, false]);
    await meet(next);
  }, 240_000);

  test("is nothing where it ends in good order", async () => {
    const pod = await podOf("orderly");
    await meet(pod);
    const paths = await askAll(pod, "orderly");
    await scene.kubectl(["delete", "pod/orderly", READY_WITHIN]);
    expect(await recorded("orderly", REQUESTS)).toEqual(paths);
  }, 120_000);

  test("ends as a gap and an alert, for the one journal that was lost", async () => {
    const gaps = await eventually(
      () => rows("SELECT reason, source, record -> 'gap' AS gap FROM audit_record WHERE type = 'gap'"),
      ({ length }) => length > 0,
      LOST_WITHIN_MS,
    );
    const [journal] = await rows("SELECT journal_id FROM journal_head", `pod_uid = '${lost.uid}'`);
    const of = { journal: journal?.["journal_id"], from: expect.any(Number) };
    expect(gaps).toEqual([{ reason: "JournalLost", source: "operator", gap: of }]);
    expect(await rows("SELECT reason, details FROM alert WHERE reason = 'JournalLost'")).toEqual([
      { reason: "JournalLost", details: expect.objectContaining({ pod: `${scene.name}/${lost.name}` }) },
    ]);
    await eventually(
      () => scene.kubectl(["get", "events", "--all-namespaces", "--field-selector=reason=JournalLost"]),
      (events) => events.includes(`${scene.name}/${lost.name}`),
      60_000,
    );
  }, 240_000);

  test("makes the ledger incomplete, and not good", async () => {
    const verify = (...more: string[]) => verifyLedger(cluster, scene.name, "--require-anchor", ...more);
    const verdict = await eventually(verify, ({ stdout }) => stdout.includes("intact, incomplete"), 60_000);
    expect(verdict).toMatchObject({ code: 0, stdout: expect.stringMatching(/^intact, incomplete \(1 gap\)/) });
    expect(verdict.stdout).toContain(`${scene.name}/${lost.name}`);
    expect((await verify("--require-complete")).code).toBe(3);
  }, 120_000);

  test("is kept by a claim only where the sidecar can write to it", async () => {
    const create = (fsGroup?: number) =>
      cluster.kubectl(
        [`--namespace=${scene.name}`, "create", "--dry-run=server", "--filename=-"],
        podWithClaim(cluster.images.echo, fsGroup),
      );
    const refused = await create();
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/LogClaim.*spec\.securityContext\.fsGroup/),
    });
    expect(await create(2000)).toMatchObject({ code: 0 });
  });

  /** Of this tenant only. */
  async function rows(select: string, where = "true"): Promise<readonly Record<string, unknown>[]> {
    const also = select.includes(" WHERE ") ? "AND" : "WHERE";
    const mine = `tenant_id = (SELECT id FROM tenant WHERE name = '${scene.name}')`;
    return await queryRows(cluster, `${select} ${also} ${where} AND ${mine}`);
  }
});
