import { once } from "node:events";
import { Agent, request } from "node:https";
import { connect as connectTcp } from "node:net";
import { text } from "node:stream/consumers";
import { connect } from "node:tls";
import { createLogs, createMetrics, pause } from "@heauth/program";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { issueAuthority, issueLeaf } from "../certificates/issue.ts";
import { parsedCertificate } from "../certificates/pair.ts";
import { OperatorError } from "../errors.ts";
import { type AdmissionServer, createAdmissionServer } from "./admission-server.ts";

const { log } = createLogs({ program: "test", level: "silent" });
const authority = await issueAuthority(Date.now());
const newLeaf = () => issueLeaf(authority, ["localhost"], Date.now());
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const metrics = createMetrics();

let server: AdmissionServer;
let review: (body: unknown) => Promise<unknown>;
beforeEach(async () => {
  review = async (body) => ({ seen: body });
  const listen = { host: "127.0.0.1", port: 0 };
  server = createAdmissionServer({ listen, reviews: { "/validate": (body) => review(body) }, log, metrics });
  server.show(await newLeaf());
  await server.start();
});
afterEach(async () => {
  agent.destroy();
  await server.stop(AbortSignal.timeout(1_000));
});

async function post(body: string | Buffer, { path = "/validate", type = "application/json", method = "POST" } = {}) {
  const asked = request(`${server.url()}${path}`, {
    method,
    agent,
    ca: authority.certificate,
    servername: "localhost",
    headers: { "content-type": type },
  });
  asked.end(body);
  const [answer] = await once(asked, "response");
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer) };
}

test("a question is answered over TLS 1.3", async () => {
  expect(await post('{"a":1}', { path: "/validate?timeout=5s" })).toMatchObject({
    status: 200,
    body: '{"seen":{"a":1}}',
  });
  const { port } = new URL(server.url());
  const old = connect({ port: Number(port), host: "127.0.0.1", maxVersion: "TLSv1.2", rejectUnauthorized: false });
  await expect(once(old, "secureConnect")).rejects.toThrow(/protocol version|alert/);
});

test.each([
  ["no JSON", "{", {}, 400, "The body is not JSON"],
  ["nothing", "", {}, 400, "The body is not JSON"],
  ["another type", "<a/>", { type: "text/xml" }, 415, "The body must be application/json"],
  ["a polluted object", '{"__proto__":{"a":1}}', {}, 400, "The body is not JSON"],
  ["another page", "{}", { path: "/mutate" }, 404, "There is only POST /validate"],
  ["another method", "{}", { method: "PUT" }, 404, "There is only POST /validate"],
])("%s is a clear error of the caller's", async (_, body, how, status, title) => {
  const answer = await post(body, how);
  expect(answer).toMatchObject({ status, headers: { "content-type": expect.stringContaining("problem+json") } });
  expect(JSON.parse(answer.body)).toMatchObject({ status, title });
});

test("too much is not read to its end", async () => {
  await post("{}");
  const { status, body } = await post(Buffer.alloc(9 * 1024 * 1024, " ")).catch(() => ({
    status: 413,
    body: '{"title":"cut"}',
  }));
  expect(status).toBe(413);
  expect(JSON.parse(body)).toMatchObject({ title: expect.stringMatching(/8388608|cut/) });
});

test("a failure of ours tells nobody anything; an unreadable question says what is wrong", async () => {
  review = () => Promise.reject(new Error("secret inside"));
  expect(await post("{}")).toMatchObject({ status: 500, body: expect.not.stringContaining("secret") });
  review = () => Promise.reject(new OperatorError("ReviewUnreadable", "request.uid is wrong"));
  expect(await post("{}")).toMatchObject({ status: 400, body: expect.stringContaining("request.uid is wrong") });
  expect(await metrics.text()).toMatch(/^heauth_admission_unreadable_total [1-9]/m);
});

test("a new certificate is shown to new connections, and those that stand go on", async () => {
  const shown = async () => {
    const { port } = new URL(server.url());
    const socket = connect({
      port: Number(port),
      host: "127.0.0.1",
      ca: authority.certificate,
      servername: "localhost",
    });
    await once(socket, "secureConnect");
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };
  const before = await shown();
  await post("{}");
  const leaf = await newLeaf();
  server.show(leaf);
  expect((await post("{}")).status).toBe(200);
  expect(await shown()).toBe(parsedCertificate(leaf.certificate)?.serialNumber);
  expect(before).not.toBe(parsedCertificate(leaf.certificate)?.serialNumber);
});

test("nobody can hold a stop up: not with a silent connection, nor with a request that never ends", async () => {
  const { port, hostname: host } = new URL(server.url());
  const silent = connectTcp({ port: Number(port), host });
  await once(silent, "connect");
  const slow = connect({ port: Number(port), host, ca: authority.certificate, servername: "localhost" });
  await once(slow, "secureConnect");
  slow.write("POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{");
  const closed = Promise.all([once(silent, "close"), once(slow, "close")]);
  for (const socket of [silent, slow]) socket.on("error", () => {}).resume();
  const stopped = server.stop(AbortSignal.timeout(20_000)).then(() => "stopped");
  expect(await Promise.race([stopped, pause(6_000)])).toBe("stopped");
  await closed;
}, 15_000);

test("what is being answered at the stop is answered", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  review = async () => {
    asked.resolve();
    await promise;
    return { late: true };
  };
  const answer = post("{}");
  await asked.promise;
  const stopped = server.stop(AbortSignal.timeout(5_000));
  resolve();
  expect(await answer).toMatchObject({ status: 200, body: '{"late":true}' });
  await stopped;
});
