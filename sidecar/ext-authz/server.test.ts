import { stat, writeFile } from "node:fs/promises";
import { afterEach, expect, test } from "@jest/globals";
import type { Authorize, CheckAnswer } from "../authorize.ts";
import { allowed, startAsked } from "./testing.ts";

let asked: Awaited<ReturnType<typeof startAsked>>;
afterEach(() => asked.end());

const start = async (authorize: Authorize = async () => ({ decision: allowed })) => {
  asked = await startAsked(authorize);
  return asked;
};

test("only our own user may ask", async () => {
  const { socket } = await start();
  expect((await stat(socket)).mode & 0o777).toBe(0o600);
});

test("in a pod Envoy may ask too, as another user of our group", async () => {
  asked = await startAsked(async () => ({ decision: allowed }), { forGroup: true });
  expect((await stat(asked.socket)).mode & 0o777).toBe(0o660);
});

test("a socket that a killed sidecar left is no obstacle", async () => {
  const { server, socket, ask } = await start();
  await server.stop(AbortSignal.timeout(1000));
  await writeFile(socket, "");
  await server.start();
  expect((await ask()).status).toBe(200);
});

test("what is not asked in Envoy's way is not decided", async () => {
  const { ask } = await start(() => Promise.reject(new Error("was asked")));
  expect((await ask({ path: "/orders" })).status).toBe(404);
});

test.each<[string, Authorize]>([
  ["cannot be decided", () => Promise.reject(new Error("a bug"))],
  ["has an answer that cannot be sent", async () => ({ decision: { ...allowed, setHeaders: { "x-user": "a\r\nb" } } })],
])("a request that %s is denied, said, and the next one is decided", async (_, failing) => {
  let calls = 0;
  const { ask, lines } = await start((request) => {
    calls += 1;
    return calls === 1 ? failing(request) : Promise.resolve({ decision: allowed });
  });
  const { status, body } = await ask({ headers: ["authorization", "Bearer secret"] });
  expect({ status, body }).toEqual({ status: 500, body: "" });
  expect(lines.join("")).toContain("a request could not be decided");
  expect(lines.join("")).not.toContain("secret");
  expect((await ask()).status).toBe(200);
});

test("a stop waits for requests under way, and not for connections that are kept", async () => {
  const arrived = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<CheckAnswer>();
  const { ask, server } = await start(() => {
    arrived.resolve();
    return answer.promise;
  });
  const response = ask();
  await arrived.promise;
  const stopped = server.stop(AbortSignal.timeout(60_000));
  answer.resolve({ decision: allowed });
  expect((await response).status).toBe(200);
  await stopped;
});

test("at the deadline it waits no longer", async () => {
  const arrived = Promise.withResolvers<void>();
  const { ask, server } = await start(() => {
    arrived.resolve();
    return new Promise(() => {});
  });
  const response = ask();
  const cut = expect(response).rejects.toMatchObject({ code: "ECONNRESET" });
  await arrived.promise;
  await server.stop(AbortSignal.abort());
  await cut;
});
