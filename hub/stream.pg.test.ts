import { statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { dirname } from "node:path";
import { EventKind } from "@heauth/protocol";
import { addTagKey, deletePolicy, policyAcks } from "@heauth/store";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { prepareSocket } from "./sockets.ts";
import { api, callerOfApi, callerOfWeb, noRecords, type TestHubParts, testHub, web } from "./testing.ts";

let it: TestHubParts;
let acme: string;
let globex: string;

beforeEach(async () => {
  it = await testHub();
  acme = await it.tenant("acme");
  globex = await it.tenant("globex");
  await it.put(acme, web);
  await it.put(globex, api);
  await it.start();
});
afterEach(() => it.stop());

describe("a stream's beginning", () => {
  test("is Welcome: the store, the registrar, and who the caller is held to be", async () => {
    const stream = it.stream(callerOfWeb).hello();
    expect(await stream.next("welcome")).toMatchObject({
      protocol: 1,
      store: expect.stringMatching(/^\d+\/[0-9A-F]{8}$/),
      registrar: it.keys.hub.id,
      pod: "shop/web-0",
    });
  });

  test("brings the caller's own policies, with digest and tag keys, and no other's", async () => {
    await it.operator.transaction((tx) => addTagKey(tx, acme, { id: "tag-1", key: Buffer.alloc(32, 7) }));
    const digest = await it.put(acme, web, '{"v":2}');
    const stream = it.stream(callerOfWeb).hello();
    expect(await stream.next("policy")).toMatchObject({
      ...web,
      tenant: acme,
      digest,
      compiled: new Uint8Array(Buffer.from('{"v":2}')),
      tagKeys: [{ id: "tag-1", key: new Uint8Array(32).fill(7) }],
    });
    await stream.probe();
    expect(stream.messages.filter((message) => message.case === "policy")).toHaveLength(1);
    expect(stream.messages.filter((message) => message.case === "begin")).toHaveLength(1);
  });

  test.each([
    ["another protocol", { protocol: 7 }],
    ["too many cursors", { protocol: 1, cursors: Array.from({ length: 1001 }, () => ({ tenant: "t", seq: 1n })) }],
  ])("is refused with %s", async (_, hello) => {
    const stream = it.stream(callerOfWeb).hello(hello);
    expect(await stream.ended).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("is refused where the first message is no Hello, or there are two", async () => {
    const probing = it.stream(callerOfWeb).send({ case: "probe", value: { nonce: 1n } });
    expect(await probing.ended).toMatchObject({ code: "INVALID_ARGUMENT" });
    const twice = it.stream(callerOfWeb).hello().hello();
    expect(await twice.ended).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("survives garbage on the socket", async () => {
    const socket = connect(it.socketOf(callerOfWeb));
    socket.on("error", () => {});
    socket.resume();
    socket.end(Buffer.from("GET / HTTP/1.1\r\n\r\n\0\xff\xff\xff\xff"));
    await new Promise((resolve) => socket.once("close", resolve));
    await it.stream(callerOfWeb).hello().next("welcome");
  });
});

describe("policies", () => {
  test("are pushed when they change, appear and go", async () => {
    const stream = it.stream(callerOfWeb).hello();
    await stream.next("policy");
    const digest = await it.put(acme, web, '{"changed":true}');
    expect(await stream.next("policy")).toMatchObject({ digest });
    await it.operator.transaction((tx) => deletePolicy(tx, noRecords, web));
    expect(await stream.next("policyRemoved")).toMatchObject(web);
    await it.put(globex, web);
    expect(await stream.next("policy")).toMatchObject({ tenant: globex });
  });

  test("that are the same as before are not pushed again", async () => {
    const stream = it.stream(callerOfWeb).hello();
    await stream.next("policy");
    await it.emit(acme);
    await stream.next("event");
    const digest = await it.put(acme, web, '{"changed":true}');
    expect(await stream.next("policy")).toMatchObject({ digest });
  });

  test("of a tenant that nobody spoke of yet begin its events first", async () => {
    const stream = it.stream(callerOfWeb).hello();
    await stream.next("policy");
    await it.operator.transaction((tx) => deletePolicy(tx, noRecords, web));
    await stream.next("policyRemoved");
    const initech = await it.tenant("initech");
    await it.put(initech, web);
    expect(await stream.next("begin")).toMatchObject({ tenant: initech });
    expect(await stream.next("policy")).toMatchObject({ tenant: initech });
    await it.emit(initech);
    expect(await stream.next("event")).toMatchObject({ tenant: initech });
  });

  test("are acknowledged into the store, enforced or not", async () => {
    const stream = it.stream(callerOfWeb).hello({ features: ["condition"] });
    const { digest } = await stream.next("policy");
    const missingFeatures = ["time-travel"];
    stream.send({
      case: "policyAck",
      value: { ...web, digest, missingFeatures, message: "the policy needs time-travel" },
    });
    const acks = await eventually(
      () => it.operator.transaction((tx) => policyAcks(tx, acme, web)),
      (found) => found.length > 0,
    );
    expect(acks).toEqual([
      {
        tenantId: acme,
        ...web,
        pod: "shop/web-0",
        digest,
        enforced: false,
        missingFeatures,
        message: "the policy needs time-travel",
      },
    ]);
  });

  test.each([
    ["another's policy", { ...api, digest: "sha256:0" }, "PERMISSION_DENIED"],
    ["a message too long", { ...web, digest: "sha256:0", message: "x".repeat(5000) }, "INVALID_ARGUMENT"],
    ["a NUL byte", { ...web, digest: "sha256:0", message: "x\0" }, "INVALID_ARGUMENT"],
  ])("can't be acknowledged with %s", async (_, value, code) => {
    const stream = it.stream(callerOfWeb).hello();
    await stream.next("policy");
    stream.send({ case: "policyAck", value });
    expect(await stream.ended).toMatchObject({ code });
  });
});

describe("events", () => {
  test("come in order, dense, of the caller's tenants only", async () => {
    const stream = it.stream(callerOfWeb).hello();
    const { seq } = await stream.next("begin");
    const session = await it.session(acme);
    await it.emit(globex);
    await it.revoke(acme, session);
    await Promise.all(Array.from({ length: 50 }, () => it.emit(acme)));
    expect(await stream.next("event")).toMatchObject({
      ...{ tenant: acme, seq: seq + 1n, kind: EventKind.SESSION_CLOSED, session, generation: 2n },
    });
    for (let n = 2n; n <= 51n; n++) {
      expect(await stream.next("event")).toMatchObject({ tenant: acme, seq: seq + n, kind: EventKind.TENANT_CHANGED });
    }
  });

  test("missed while away come first, where the cursor says", async () => {
    const first = it.stream(callerOfWeb).hello();
    const { store } = await first.next("welcome");
    const { seq } = await first.next("begin");
    first.stream.cancel();
    for (let n = 0; n < 20; n++) await it.emit(acme);
    const again = it.stream(callerOfWeb).hello({ store, cursors: [{ tenant: acme, seq }] });
    expect(await again.next("begin")).toMatchObject({ tenant: acme, seq });
    for (let n = 1n; n <= 20n; n++) expect(await again.next("event")).toMatchObject({ seq: seq + n });
  });

  test("are also there for a cursor from before the hub's start", async () => {
    const first = it.stream(callerOfWeb).hello();
    const { store } = await first.next("welcome");
    const { seq } = await first.next("begin");
    await it.emit(acme);
    await it.start();
    const again = it.stream(callerOfWeb).hello({ store, cursors: [{ tenant: acme, seq }] });
    expect(await again.next("begin")).toMatchObject({ seq });
    expect(await again.next("event")).toMatchObject({ seq: seq + 1n });
  });

  test.each([
    [
      "older than what is kept",
      async () => {
        for (let n = 0; n < 5; n++) await it.emit(acme);
        await it.superuser.query("DELETE FROM outbox WHERE tenant_id = $1 AND seq < 4", [acme]);
        await it.start();
        return { seq: 1n };
      },
    ],
    ["that is still to come", async () => ({ seq: 1000n })],
    ["of another store", async () => ({ store: "1/00000001" })],
  ])("begin anew for a cursor %s", async (_, prepare) => {
    const { store } = await it.stream(callerOfWeb).hello().next("welcome");
    const hello = { store, seq: 0n, ...(await prepare()) };
    const stream = it.stream(callerOfWeb).hello({ store: hello.store, cursors: [{ tenant: acme, seq: hello.seq }] });
    const [{ head }] = (await it.superuser.query<{ head: number }>(
      "SELECT seq AS head FROM outbox_head WHERE tenant_id = $1",
      [acme],
    )) as [{ head: number }];
    expect(await stream.next("begin")).toMatchObject({ seq: BigInt(head) });
  });

  test("that went missing in the store end the streams that would miss them", async () => {
    const stream = it.stream(callerOfWeb).hello();
    const other = it.stream(callerOfApi).hello();
    await stream.next("begin");
    await other.next("begin");
    await it.superuser.query("UPDATE outbox_head SET seq = seq + 3 WHERE tenant_id = $1", [acme]);
    expect(await stream.ended).toMatchObject({ code: "UNAVAILABLE" });
    expect(await other.probe()).toBeLessThan(1000);
  });
});

describe("probes", () => {
  test("are answered with the age of the last complete read", async () => {
    const stream = it.stream(callerOfWeb).hello();
    await stream.next("begin");
    expect(await stream.probe()).toBeLessThanOrEqual(300);
  });

  test("are answered after every event of the read they vouch for", async () => {
    const stream = it.stream(callerOfWeb).hello();
    const { seq: first } = await stream.next("begin");
    for (let n = 0; n < 30; n++) {
      const committed = it.emit(acme).then((seq) => ({ seq, at: performance.now() }));
      const sentAt = performance.now();
      const horizon = sentAt - (await stream.probe());
      const { seq, at } = await committed;
      const told = stream.messages.flatMap((message) => (message.case === "event" ? [Number(message.value.seq)] : []));
      // Whatever was committed before the horizon has come in.
      if (at < horizon) expect(told).toContain(seq);
      for (const [index, one] of told.entries()) expect(one).toBe(Number(first) + index + 1);
    }
  });

  test("grow no younger than the reads: a reader that stands still shows", async () => {
    await it.start({ readEvery: 60_000 });
    const stream = it.stream(callerOfWeb).hello();
    await stream.next("begin");
    const before = await stream.probe();
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(await stream.probe()).toBeGreaterThanOrEqual(before + 100);
  });

  test("count from when a read began, however long it took", async () => {
    await it.start({ readEvery: 60_000 });
    const stream = it.stream(callerOfWeb).hello();
    await stream.next("begin");
    const lock = it.superuser.query(
      "DO $$ BEGIN LOCK TABLE heauth.outbox_head IN ACCESS EXCLUSIVE MODE; PERFORM pg_sleep(1); END $$",
    );
    await it.superuser.query("SELECT pg_sleep(0.2)");
    await it.superuser.query("SELECT pg_notify('heauth_outbox', '')");
    const began = performance.now();
    const old = await stream.probe();
    await lock;
    const done = await eventually(
      () => stream.probe(),
      // Younger than the read before is by now.
      (age) => age < old + performance.now() - began - 100,
    );
    expect(done).toBeGreaterThanOrEqual(performance.now() - began - 50);
    expect(done).toBeGreaterThan(500);
  });
});

describe("a revocation", () => {
  test("is told within 50 ms of its commit (p99)", async () => {
    const stream = it.stream(callerOfWeb).hello();
    await stream.next("begin");
    const took: number[] = [];
    for (let n = 0; n < 100; n++) {
      const session = await it.session(acme);
      await it.revoke(acme, session);
      const committed = performance.now();
      await stream.next("event");
      took.push(performance.now() - committed);
    }
    const [p99 = Number.POSITIVE_INFINITY] = took.sort((a, b) => a - b).slice(98);
    expect(p99).toBeLessThan(50);
  });
});

describe("the end", () => {
  test("of the hub is a Goodbye that says when to come back", async () => {
    const hub = await it.start();
    const stream = it.stream(callerOfWeb).hello();
    await stream.next("begin");
    const stopped = hub.stop(AbortSignal.timeout(2000));
    expect(await stream.next("goodbye")).toMatchObject({ reconnectAfterMs: 500 });
    expect(await stream.ended).toBeUndefined();
    await stopped;
  });

  test("comes to a stream that is not read: ended, never skipped", async () => {
    await it.start({ maxWaiting: 100 });
    const stream = it.stream(callerOfWeb).hello();
    const { seq } = await stream.next("begin");
    stream.stream.pause();
    const text = JSON.stringify({ padding: "x".repeat(20_000) });
    // Policies are large: the connection's window fills, and then the queue.
    for (let n = 0; n < 150; n++) await it.put(acme, web, `${n}${text}`);
    for (let n = 0; n < 300; n++) await it.emit(acme);
    await eventually(
      () => it.metrics.text(),
      (metrics) => /^heauth_hub_streams(\{\})? 0$/m.test(metrics),
    );
    stream.stream.resume();
    expect(await stream.ended).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    const told = stream.messages.flatMap((message) => (message.case === "event" ? [message.value.seq] : []));
    for (const [index, one] of told.entries()) expect(one).toBe(seq + BigInt(index) + 1n);
  });
});

describe("a socket", () => {
  test("is its owner's alone, and so is its folder", () => {
    const socket = it.socketOf(callerOfWeb);
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(socket)).mode & 0o777).toBe(0o700);
  });

  test("that a process left behind is taken over; one that is in use is not, nor is a file", async () => {
    const folder = dirname(it.socketOf(callerOfWeb));
    const stale = `${folder}/stale.sock`;
    const server = createServer().listen(stale);
    await new Promise((resolve) => server.once("listening", resolve));
    await expect(prepareSocket(stale)).rejects.toMatchObject({ code: "SocketInUse" });
    writeFileSync(`${folder}/file`, "");
    await expect(prepareSocket(`${folder}/file`)).rejects.toMatchObject({ code: "SocketUnusable" });
    await new Promise((resolve) => server.close(resolve));
    await prepareSocket(stale);
  });
});

/** Asks until the answer fits; the test's own timeout is the limit. */
async function eventually<T>(ask: () => Promise<T>, fits: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (fits(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
