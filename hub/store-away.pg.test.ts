import { uuidv7 } from "@heauth/program";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type StoppableServer, stoppableServer } from "./stoppable-server.ts";
import { callerOfWeb, type TestHubParts, testHub, web, youngProbe } from "./testing.ts";

let server: StoppableServer;
let it: TestHubParts;
let acme: string;

beforeAll(async () => {
  server = await stoppableServer();
  it = await testHub([callerOfWeb], server);
  acme = await it.tenant("acme");
  await it.put(acme, web);
  await it.start();
}, 120_000);

afterAll(async () => {
  await it?.stop();
  await server?.end();
}, 30_000);

test("while PostgreSQL is away the age grows and calls say UNAVAILABLE; back, all is well within 5 s", async () => {
  const stream = it.stream(callerOfWeb).hello();
  const { seq } = await stream.next("begin");
  const client = it.client(callerOfWeb);
  const session = await it.session(acme);
  const lookUp = () => client.call("lookUpSessions", { tenant: acme, sessions: [session] }, { deadlineMs: 20_000 });
  await lookUp();

  const before = performance.now();
  const ageBefore = await stream.probe();
  await server.postgres.stop();
  await expect(lookUp()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await new Promise((resolve) => setTimeout(resolve, 700));
  const age = await stream.probe();
  expect(age).toBeGreaterThanOrEqual(700);
  // By the wall clock where that says more, and that may run a little faster.
  expect(age).toBeLessThanOrEqual(performance.now() - before + ageBefore + 20);
  // Who comes now is served from memory, and told the truth about its age.
  const late = it.stream(callerOfWeb).hello();
  expect(await late.next("policy")).toMatchObject(web);
  expect(await late.probe()).toBeGreaterThanOrEqual(700);
  // Words that wait for the store are not lost.
  const { digest } = (await it.stream(callerOfWeb).hello().next("policy")) ?? {};
  late.send({ case: "policyAck", value: { ...web, digest: digest ?? "", enforced: true } });

  await server.postgres.start();
  const back = performance.now();
  await youngProbe(stream, 500);
  expect(performance.now() - back).toBeLessThan(5000);
  expect((await lookUp()).sessions).toHaveLength(1);
  await it.revoke(acme, session);
  expect(await stream.next("event")).toMatchObject({ seq: seq + 1n, session });
  const acks = async () =>
    (await it.superuser.query<{ pod: string }>("SELECT pod FROM policy_ack")).map(({ pod }) => pod);
  while ((await acks()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await acks()).toEqual(["shop/web-0"]);
}, 30_000);

test("a hub that starts while PostgreSQL is away says so, and welcomes sidecars as soon as it is back", async () => {
  await server.postgres.stop();
  const hub = await it.begin();
  const early = it.stream(callerOfWeb).hello();
  expect(await early.ended).toMatchObject({ code: "UNAVAILABLE" });
  const call = it
    .client(callerOfWeb)
    .call("lookUpSessions", { tenant: acme, sessions: [uuidv7()] }, { deadlineMs: 20_000 });
  await expect(call).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await server.postgres.start();
  const back = performance.now();
  for (;;) {
    const stream = it.stream(callerOfWeb).hello();
    const welcomed = await Promise.race([
      stream.next("welcome").then(() => true),
      stream.ended.then(() => false),
    ]).catch(() => false);
    if (welcomed) break;
  }
  expect(performance.now() - back).toBeLessThan(5000);
  await hub.stop(AbortSignal.timeout(3000));
}, 30_000);
