import {
  API_SERVER_STARTS_WITHIN_MS,
  type ApiServer,
  createAuthority,
  describeKube,
  startApiServer,
} from "@heauth/e2e/kube";
import { uuidv7 } from "@heauth/program";
import { PODS, SERVICE_ACCOUNTS } from "@heauth/program/kubernetes";
import type { HubClient } from "@heauth/protocol";
import { decision, insertSession, TestJournal } from "@heauth/store/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { eventually, TestStream } from "../testing.ts";
import { type ClusterHub, startClusterHub, type TestPod } from "./testing.ts";

const web = { namespace: "shop", name: "web" };
const deadline = { deadlineMs: 20_000 };

describeKube("who calls a hub in Kubernetes", () => {
  let api: ApiServer;
  let it: ClusterHub;
  let acme: string;
  let globex: string;
  let pod: TestPod;
  let token: string;

  beforeAll(async () => {
    api = await startApiServer({ crds: false });
    const authority = await createAuthority();
    it = await startClusterHub(api, { authority: authority.certificate, ...(await authority.issue("hub")) });
    acme = await it.tenant("acme");
    globex = await it.tenant("globex");
    await it.put(acme, web);
    pod = await it.pod({ name: "web-0" });
    token = await it.token(pod);
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await it?.stop();
    await api?.stop();
  }, 30_000);
  beforeEach(async () => void (await it.start()));

  const lookUp = (by: HubClient, tenant = acme) =>
    by.call("lookUpSessions", { tenant, sessions: [uuidv7()] }, deadline);
  const reviews = async (outcome = "accepted") =>
    Number(new RegExp(`heauth_token_reviews_total{outcome="${outcome}"} (\\d+)`).exec(await it.metrics())?.[1] ?? 0);

  test("a pod with a sidecar is served its policy and its tenant's sessions", async () => {
    const stream = it.stream(token);
    expect(await stream.next("welcome")).toMatchObject({ pod: "shop/web-0" });
    expect(await stream.next("policy")).toMatchObject({ ...web, tenant: acme });
    const { id } = await insertSession(it.superuser, it.keys, acme);
    const { sessions } = await it.client(token).call("lookUpSessions", { tenant: acme, sessions: [id] }, deadline);
    expect(sessions).toMatchObject([{ session: id }]);
  });

  test("a token is reviewed once, also when many calls bring it at a time, and again after a minute", async () => {
    const by = it.client(token);
    await Promise.all(Array.from({ length: 50 }, () => lookUp(by)));
    expect(await reviews()).toBe(1);
    // Real time goes on beside it.
    it.advance(50_000);
    await lookUp(by);
    expect(await reviews()).toBe(1);
    it.advance(11_000);
    await lookUp(by);
    expect(await reviews()).toBe(2);
  });

  describe("is refused", () => {
    const refused = async (given: string | undefined, code: string, message: RegExp) => {
      const error = expect.objectContaining({ code, message: expect.stringMatching(message) });
      await expect(lookUp(it.client(given))).rejects.toEqual(error);
      expect(await new TestStream(it.client(given)).hello().ended).toEqual(error);
    };
    const unauthenticated = (given: string | undefined, message: RegExp) => refused(given, "UNAUTHENTICATED", message);

    test("no token", () => unauthenticated(undefined, /is missing/));
    test.each([
      ["garbage", "garbage"],
      ["three parts of garbage", "a.b.c"],
      ["a token without claims", `e30.${Buffer.from("null").toString("base64url")}.e30`],
      ["a token without an end", `e30.${Buffer.from('{"aud":"heauth-hub"}').toString("base64url")}.e30`],
      ["one that is too long", `e30.${"A".repeat(9000)}.e30`],
    ])("%s, without asking the API server", async (_, given) => {
      await unauthenticated(given, /token/);
      expect(await reviews("refused")).toBe(0);
    });

    test("a token for another audience, such as the API server's own", async () => {
      await unauthenticated(await it.token(pod, "https://kubernetes.default.svc"), /audience/);
      await unauthenticated(await it.token(pod, "vault"), /audience/);
    });

    test("a token of another audience that says it were ours", async () => {
      const forged = await it.forge(await it.token(pod, "vault"), { aud: ["heauth-hub"] }, "theirs");
      await unauthenticated(forged, /not accepted/);
    });

    test("a token that another key has signed", async () => {
      await unauthenticated(await it.forge(token, {}, "theirs"), /not accepted/);
      expect(await reviews("refused")).toBe(1);
      // The forge itself is a good one.
      await lookUp(it.client(await it.forge(token, {}, "ours")));
    });

    test("an expired token: by the hub's clock, though it was good a moment ago, and by the API server's", async () => {
      await lookUp(it.client(token));
      it.advance(3_601_000);
      await unauthenticated(token, /expired/);
      const seconds = Math.floor(Date.now() / 1000);
      const old = await it.forge(token, { iat: seconds - 7200, nbf: seconds - 7200, exp: seconds - 3600 });
      it.advance(-3_601_000 - 7_200_000);
      await unauthenticated(old, /not accepted/);
    });

    test("a token of a pod that is gone", async () => {
      const other = await it.pod();
      const its = await it.token(other);
      await it.remove(other);
      await unauthenticated(its, /not accepted|is gone/);
    });

    test("a token of a pod that is gone, when another one has its name", async () => {
      const former = await it.pod({ name: "db-0" });
      const its = await it.token(former);
      await lookUp(it.client(its));
      await it.remove(former);
      const later = await it.pod({ name: "db-0" });
      expect(later.uid).not.toBe(former.uid);
      it.advance(61_000);
      // The API server itself remembers for some seconds that the token was good: then it is the pod's uid that tells.
      await unauthenticated(its, /not accepted|another one has its name/);
      await lookUp(it.client(await it.token(later)));
    });

    test.each(["Succeeded", "Failed"])("a token of a pod that has %s", async (phase) => {
      const ended = await it.pod();
      await api.client.patch(PODS, ended, { status: { phase } }, { subresource: "status" });
      await unauthenticated(await it.token(ended), /has ended/);
    });

    test("a token of a pod without a sidecar, or with a container that only has its name", async () => {
      const plain = await it.pod({ injected: false });
      await refused(await it.token(plain), "PERMISSION_DENIED", /no heauth sidecar/);
    });

    test("a token of a service account, not of a pod", async () => {
      const account = await api.token({ namespace: "shop", name: "web" }, { audience: "heauth-hub" });
      await refused(account, "PERMISSION_DENIED", /not bound to a pod/);
    });

    test("a token of a service account that was deleted", async () => {
      const other = await it.pod({ serviceAccount: "temporary" });
      const its = await it.token(other);
      await api.client.remove(SERVICE_ACCOUNTS, { namespace: "shop", name: "temporary" });
      const outcome = async () => {
        await it.start();
        return lookUp(it.client(its)).then(
          () => "served",
          ({ code }) => code,
        );
      };
      // The API server itself may go by it for some seconds more: only a hub that has just started does not remember that.
      await eventually(outcome, (now) => now === "UNAUTHENTICATED");
      await unauthenticated(its, /not accepted/);
    });

    test("the same once more, without asking again for some seconds", async () => {
      const forged = await it.forge(token, {}, "theirs");
      const by = it.client(forged);
      for (let count = 0; count < 5; count++)
        await expect(lookUp(by)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
      expect(await reviews("refused")).toBe(1);
      it.advance(5_500);
      await expect(lookUp(by)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
      expect(await reviews("refused")).toBe(2);
    });

    test("what is too much for the API server: the others are told to come back", async () => {
      await it.start({}, { reviewsPerSecond: 1 });
      const forged = await Promise.all(
        Array.from({ length: 12 }, (_, jti) => it.forge(token, { jti: `${jti}` }, "theirs")),
      );
      const errors = await Promise.all(forged.map((one) => lookUp(it.client(one)).catch((error) => error)));
      const overloaded = errors.filter(({ code }) => code === "RESOURCE_EXHAUSTED");
      expect(overloaded.length).toBeGreaterThanOrEqual(5);
      expect(overloaded[0]).toMatchObject({ retryAfterMs: 250 });
      expect(await reviews("refused")).toBe(12 - overloaded.length);
    });

    test("nobody because of others' forgeries, who was known before", async () => {
      await it.start({}, { reviewsPerSecond: 1 });
      const known = it.client(token);
      await lookUp(known);
      it.advance(61_000);
      const forged = await Promise.all([1, 2, 3, 4].map((jti) => it.forge(token, { jti: `${jti}` }, "theirs")));
      const errors = await Promise.all(forged.map((one) => lookUp(it.client(one)).catch((error) => error)));
      expect(errors.map(({ code }) => code)).toContain("RESOURCE_EXHAUSTED");
      await lookUp(known);
    });
  });

  describe("a pod of another namespace, though its labels are the same", () => {
    let spy: HubClient;
    let stream: TestStream;
    beforeEach(async () => {
      const its = await it.token(await it.pod({ namespace: "elsewhere" }));
      spy = it.client(its);
      stream = new TestStream(spy).hello();
      await stream.next("welcome");
    });

    test("is served no policy", async () => {
      await stream.probe();
      await it.put(acme, web, { text: '{"v":2}' });
      await stream.probe();
      expect(stream.messages.map((message) => message.case)).not.toContain("policy");
      expect(stream.messages.map((message) => message.case)).not.toContain("begin");
    });

    test("sees no sessions", () => expect(lookUp(spy)).rejects.toMatchObject({ code: "PERMISSION_DENIED" }));

    test("opens no journal, neither as its own pod's nor as ours", async () => {
      for (const name of ["elsewhere/spy", "shop/web-0"]) {
        const { body, possession } = new TestJournal(acme, it.keys.hub, { pod: name });
        const attempt = spy.call("registerJournal", { registration: body, possession }, deadline);
        await expect(attempt).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
      }
    });

    test("ships no segments, moves no watermark and acknowledges no policy", async () => {
      const journal = new TestJournal(acme, it.keys.hub, { pod: "shop/web-0" });
      const mine = it.client(token);
      await mine.call("registerJournal", { registration: journal.body, possession: journal.possession }, deadline);
      const segments = [journal.seal(decision(undefined))];
      const request = { tenant: acme, journal: journal.id, segments };
      await expect(spy.call("appendSegments", request, deadline)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
      const { journals } = await spy.call("lookUpJournals", { tenant: acme, journals: [journal.id] }, deadline);
      expect(journals).toEqual([]);
      await stream.probe([{ tenant: acme, journal: journal.id, outboxSeq: 1n }]);
      expect(await mine.call("appendSegments", request, deadline)).toMatchObject({ nextNumber: 1n });
      const heads = await it.superuser.query("SELECT outbox_seq FROM journal_head WHERE journal_id = $1", [journal.id]);
      expect(heads).toEqual([{ outbox_seq: 0 }]);
      stream.send({ case: "policyAck", value: { ...web, digest: "sha256:x", enforced: true } });
      expect(await stream.ended).toMatchObject({ code: "PERMISSION_DENIED" });
    });
  });

  describe("another tenant's things", () => {
    test("are not shown to a pod whose policy is ours", async () => {
      await it.put(globex, { namespace: "shop", name: "globex-api" });
      await expect(lookUp(it.client(token), globex)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    });
  });

  describe("a journal", () => {
    const register = (by: HubClient, { body, possession }: TestJournal) =>
      by.call("registerJournal", { registration: body, possession }, deadline);

    test("belongs to its pod, and not to another one that gets its name: that one may only finish it", async () => {
      const first = await it.pod({ name: "queue-0" });
      const before = it.client(await it.token(first));
      const old = new TestJournal(acme, it.keys.hub, { pod: "shop/queue-0" });
      await register(before, old);
      const append = (by: HubClient, segments: ReturnType<TestJournal["seal"]>[]) =>
        by.call("appendSegments", { tenant: acme, journal: old.id, segments }, deadline);
      await append(before, [old.seal(decision(undefined))]);
      await it.remove(first);
      const after = it.client(await it.token(await it.pod({ name: "queue-0" })));
      const stolen = old.seal(decision(undefined));
      await expect(append(after, [stolen])).rejects.toMatchObject({ code: "PERMISSION_DENIED" });

      // Not even by the very registration that the former one made.
      await expect(register(after, old)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });

      const heir = new TestJournal(acme, it.keys.hub, { pod: "shop/queue-0", recovers: [old.id] });
      expect((await register(after, heir)).recovered).toMatchObject([{ journal: old.id, nextNumber: 1n }]);
      expect(await append(after, [stolen])).toMatchObject({ nextNumber: 2n });
      // Whoever still speaks as the former one, within the minute, has lost it.
      await expect(append(before, [])).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    });
  });
});
