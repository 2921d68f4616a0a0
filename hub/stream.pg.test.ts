import { statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { dirname } from "node:path";
import { addTagKey, deletePolicy, policyAcks } from "@heauth/store";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { prepareSocket } from "./sockets.ts";
import { api, callerOfWeb, eventually, noRecords, type TestHubParts, testHub, web } from "./testing.ts";

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

  test("ends the oldest streams of a pod that has too many, and nobody else's", async () => {
    await it.stop();
    const greedy = { ...callerOfWeb, uid: "greedy" };
    const other = { ...callerOfWeb, uid: "other" };
    it = await testHub([greedy, other]);
    await it.start();
    const its = it.stream(other).hello();
    await its.next("welcome");
    const streams = [];
    for (let n = 0; n < 6; n++) {
      const stream = it.stream(greedy).hello();
      await stream.next("welcome");
      streams.push(stream);
    }
    for (const stream of streams.slice(0, 2)) expect(await stream.ended).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    for (const stream of [its, ...streams.slice(2)]) await stream.probe();
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

test.each<[string, { tenant: string; journal: string; outboxSeq: bigint }[]]>([
  ["a journal's id that is none", [{ tenant: "", journal: "x".repeat(100_000), outboxSeq: 0n }]],
  ["more watermarks than it can have journals", Array(101).fill({ tenant: "", journal: crypto.randomUUID() })],
])("a probe with %s ends the stream", async (_, watermarks) => {
  const stream = it.stream(callerOfWeb).hello();
  await stream.next("welcome");
  stream.send({ case: "probe", value: { nonce: 1n, watermarks } });
  expect(await stream.ended).toMatchObject({ code: "INVALID_ARGUMENT" });
});

describe("the end", () => {
  test("of the hub is a Goodbye that says when to come back", async () => {
    const hub = await it.start();
    const stream = it.stream(callerOfWeb).hello();
    await stream.next("begin");
    const stopped = hub.stop(AbortSignal.timeout(20_000));
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
  }, 120_000);
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

test("a hub that stops says goodbye to its sidecars one after another, and serves the others until then", async () => {
  const hub = await it.start({}, 1_500);
  const streams = Array.from({ length: 6 }, () => it.stream(callerOfWeb).hello());
  for (const stream of streams) await stream.next("policy");
  const begun = performance.now();
  const stopped = hub.stop(AbortSignal.timeout(10_000));
  const ended = streams.map(async (stream) => {
    await stream.next("goodbye");
    expect(await stream.ended).toBeUndefined();
    return performance.now() - begun;
  });
  await Promise.race(ended);
  const leaving = streams.filter(({ messages }) => messages.some((message) => message.case === "goodbye"));
  expect(leaving.length).toBeLessThan(streams.length);
  const ends = await Promise.all(ended);
  await stopped;
  const sorted = ends.toSorted((a, b) => a - b);
  expect(sorted[0]).toBeLessThan(500);
  // Each waits a sixth of the time longer than the one before.
  for (const [index, at] of sorted.entries()) expect(at).toBeGreaterThanOrEqual(index * 240);
});

test("no time is left for goodbyes one after another: all are said at once", async () => {
  const hub = await it.start({}, 60_000);
  const streams = Array.from({ length: 6 }, () => it.stream(callerOfWeb).hello());
  for (const stream of streams) await stream.next("policy");
  await hub.stop(AbortSignal.timeout(50));
  for (const stream of streams) expect(stream.messages.length).toBeGreaterThan(0);
  await Promise.all(streams.map((stream) => stream.ended));
}, 5_000);
