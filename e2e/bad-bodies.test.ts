/** Identity's API over the wire: whatever is sent, it answers with a problem of its own choosing, never a 500, and goes on. */
import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { badBodies } from "./bodies/bad-bodies.ts";
import { badRequests, type Callers } from "./bodies/bad-requests.ts";
import { type RawAnswer, rawRequest } from "./envoy/raw-request.ts";
import { type Rig, startRig } from "./standalone/rig.ts";
import { openRows, type Rows } from "./standalone/rows.ts";

let rig: Rig;
let rows: Rows;
let callers: Callers;
let before: unknown;

beforeAll(async () => {
  rig = await startRig({ tenants: { acme: {}, rival: {} }, policies: {} });
  rows = await openRows(await rig.databaseUrl());
  const { people } = rig;
  const joy = await people.create({ login: "joy", roles: ["nurse"] });
  callers = {
    admin: await people.admin(),
    rival: await people.admin("rival"),
    nurse: await people.logIn(joy),
    forApp: (await people.logIn(joy, ["clinic"])).accessToken,
  };
  before = await state();
}, 60_000);
afterAll(async () => {
  await rows?.stop();
  await rig?.stop();
}, 40_000);

/** What nothing in this file may change. */
const state = async () => [
  await rows.query("SELECT name FROM tenant ORDER BY name"),
  await rows.query("SELECT tenant_id, login FROM tenant_user ORDER BY tenant_id, login"),
  await rows.query("SELECT id, closed_at, refresh_number FROM session ORDER BY id"),
];

function expectProblem(answer: RawAnswer, status: number, code: string): void {
  expect([answer.status, JSON.parse(answer.body).code]).toEqual([status, code]);
  expect(answer.headers["content-type"]).toMatch(/^application\/problem\+json/);
  expect(JSON.parse(answer.body)).toMatchObject({ status, type: `https://heauth.io/problems/${code}` });
}

/** Every route that takes a body. `POST /user` is asked by one who may. */
const routes = [
  "/tenant",
  "/tenant/login",
  "/tenant/logout",
  "/tenant/verify",
  "/user",
  "/auth",
  "/auth/refresh",
  "/auth/logout",
  "/auth/verify",
];

describe.each(routes)("POST %s", (route) => {
  test.each(badBodies.map((body) => [body.name, body] as const))("%s", async (_, { bytes, type, status, code }) => {
    const contentType = type === null ? [] : [`Content-Type: ${type ?? "application/json"}`];
    const credential = route === "/user" ? [`Authorization: Bearer ${callers.admin}`] : [];
    const head = [`POST ${route} HTTP/1.1`, "Host: id.test", `Content-Length: ${bytes.length}`];
    expectProblem(await rawRequest(rig.identity(), [...head, ...contentType, ...credential], bytes), status, code);
  });

  test("no body", async () => {
    const credential = route === "/user" ? [`Authorization: Bearer ${callers.admin}`] : [];
    const head = [`POST ${route} HTTP/1.1`, "Host: id.test", "Content-Type: application/json", "Content-Length: 0"];
    // Those that can do without: the token may stand in a header or a cookie.
    const expected: Record<string, [number, string]> = {
      "/tenant/logout": [401, "Unauthenticated"],
      "/auth/logout": [401, "Unauthenticated"],
      "/auth/refresh": [401, "RefreshRefused"],
    };
    expectProblem(
      await rawRequest(rig.identity(), [...head, ...credential]),
      ...(expected[route] ?? ([400, "InvalidRequest"] as const)),
    );
  });
});

test.each(badRequests)("%s", async (...row) => {
  const [, request, status, code] = row;
  const { line, headers = [], json } = request(callers);
  const body = json === undefined ? "" : JSON.stringify(json);
  const described = json === undefined ? [] : ["Content-Type: application/json"];
  const length = `Content-Length: ${Buffer.byteLength(body)}`;
  const head = [`${line} HTTP/1.1`, "Host: id.test", ...headers, ...described, length];
  expectProblem(await rawRequest(rig.identity(), head, body), status, code);
});

describe("what is no HTTP", () => {
  test.each<[string, string[], string?]>([
    ["an unknown method", ["FOO /auth HTTP/1.1", "Host: id.test"]],
    ["no method", ["/auth HTTP/1.1", "Host: id.test"]],
    ["another version", ["GET /auth HTTP/9.9", "Host: id.test"]],
    ["a space in the target", ["GET /auth x HTTP/1.1", "Host: id.test"]],
    ["a header without a colon", ["GET /healthz HTTP/1.1", "Host: id.test", "nonsense"]],
    ["a NUL byte in a header", ["GET /healthz HTTP/1.1", "Host: id.test", "X: a\0b"]],
    ["a carriage return in a header", ["GET /healthz HTTP/1.1", "Host: id.test", "X: a\rb"]],
    ["a space before the colon", ["GET /healthz HTTP/1.1", "Host: id.test", "Authorization : Bearer x"]],
    ["a head of more than 16 KiB", ["GET /healthz HTTP/1.1", "Host: id.test", `X: ${"x".repeat(17 * 1024)}`]],
    ["a length that is none", ["POST /auth HTTP/1.1", "Host: id.test", "Content-Length: abc"]],
    ["a negative length", ["POST /auth HTTP/1.1", "Host: id.test", "Content-Length: -1"]],
    ["two lengths", ["POST /auth HTTP/1.1", "Host: id.test", "Content-Length: 2", "Content-Length: 3"], "{}"],
    [
      "a length and chunks",
      ["POST /auth HTTP/1.1", "Host: id.test", "Content-Length: 2", "Transfer-Encoding: chunked"],
      "0\r\n\r\n",
    ],
    [
      "a chunk that is none",
      ["POST /auth HTTP/1.1", "Host: id.test", "Content-Type: application/json", "Transfer-Encoding: chunked"],
      "zz\r\n",
    ],
    ["another coding", ["POST /auth HTTP/1.1", "Host: id.test", "Transfer-Encoding: gzip"], "x"],
  ])("%s", async (...row) => {
    const [, head, body = ""] = row;
    expectProblem(await rawRequest(rig.identity(), head, body), 400, "InvalidRequest");
  });
});

test("a client that goes away in the middle of its body", async () => {
  const { hostname, port } = new URL(rig.identity());
  const socket = connect({ host: hostname, port: Number(port) });
  await once(socket, "connect");
  const head = ["POST /auth HTTP/1.1", "Host: id.test", "Content-Type: application/json", "Content-Length: 100"];
  socket.write(`${head.join("\r\n")}\r\n\r\n{"login":`, () => socket.destroy());
  await once(socket, "close");
});

describe("after all that", () => {
  test("nothing has come of it, and nothing went wrong inside", async () => {
    expect(await state()).toEqual(before);
    const errors = rig.standalone().log.filter((line) => /"level":"(error|fatal)"/.test(line));
    expect(errors).toEqual([]);
  });

  test("it answers as before", async () => {
    const joy = await rig.people.create({ login: "amy", roles: ["nurse"] });
    expect((await rig.people.logIn(joy)).accessToken).not.toBe("");
    const headers = { authorization: `Bearer ${callers.rival}` };
    const listing = (await (await fetch(`${rig.identity()}/user`, { headers })).json()) as {
      users: { login: string }[];
    };
    expect(listing.users.map(({ login }) => login)).toEqual(["chief@rival.example"]);
  });
});
