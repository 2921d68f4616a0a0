import { once } from "node:events";
import { connect, type OutgoingHttpHeaders } from "node:http2";
import { type ReasonName, reasons } from "@heauth/core/policy";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { badHeaders } from "./credentials/headers.ts";
import { createScene, type Scene, sceneOptions } from "./credentials/scene.ts";
import { badTokens } from "./credentials/tokens.ts";
import { get, type RawAnswer } from "./envoy/raw-request.ts";
import { type Rig, startRig } from "./standalone/rig.ts";
import { openRows, type Rows } from "./standalone/rows.ts";

let rig: Rig;
let rows: Rows;
let scene: Scene;
let sidecar: unknown;
/** Record id → the reason that it is to tell. */
const expected = new Map<string, string>();

beforeAll(async () => {
  rig = await startRig(sceneOptions);
  rows = await openRows(await rig.databaseUrl());
  scene = await createScene(rig, rows);
  sidecar = await rig.sidecar();
}, 60_000);
beforeEach(() => {
  rig.upstream.seen = [];
});
afterAll(async () => {
  await rows?.stop();
  await rig?.stop();
}, 40_000);

const read = (...headers: string[]) => get(rig.app(), "/patients/4711", ...headers);
const code = ({ body }: RawAnswer): string => {
  try {
    return JSON.parse(body).code;
  } catch {
    return "";
  }
};

describe("a credential that is not good", () => {
  test.each([...badHeaders, ...badTokens])("%s", async (...row) => {
    const [, headers, status, expectedCode, reason] = row;
    const answer = await read(...headers(scene));
    expect([answer.status, code(answer)]).toEqual([status, expectedCode]);
    expect(rig.upstream.seen).toEqual([]);
    const record = answer.headers["x-heauth-record"];
    expect(record === undefined).toBe(reason === undefined);
    if (record !== undefined && reason !== undefined) expected.set(record, reason);
    if (status === 401) {
      expect(answer.headers["www-authenticate"]).toBe('Bearer realm="heauth"');
      const { instance: _, ...told } = JSON.parse(answer.body);
      expect(told).toEqual({
        type: "https://heauth.io/problems/Unauthenticated",
        title: "Unauthorized",
        status: 401,
        code: "Unauthenticated",
        detail: "A valid session is needed.",
      });
    }
  });
});

describe("afterwards", () => {
  test("each has a record with its own reason", async () => {
    const records = await rows.records([...expected.keys()]);
    const told = records.map(({ id, decision, reason }) => [id, decision, reason]);
    expect(told).toEqual([...expected].map(([id, reason]) => [id, "Deny", reason]));
    for (const { rule, method, path } of records) {
      expect([rule, method, path]).toEqual(["read-patient", "GET", "/patients/4711"]);
    }
  }, 90_000);

  test("exactly the reasons that are a mismatch have raised alerts", async () => {
    await rows.records([...expected.keys()]);
    const met = new Set(expected.values()) as Set<ReasonName>;
    const alerting = [...met].filter((reason) => reasons[reason].alert === "Each").sort();
    const raised = new Set((await rows.alerts(scene.joy.login.tenantId)).map(({ reason }) => reason));
    // The stolen refresh token is identity's to tell of.
    expect([...raised].sort()).toEqual([...alerting, "RefreshReuse"].sort());
    expect(alerting).toEqual(["BadSignature", "SessionClosed", "WrongAudience", "WrongTenant"]);
  }, 90_000);

  test("forged tags raise one when they come in a run", async () => {
    const forged = scene.joy.token({ header: { kid: `${scene.joy.login.session}.AAAAAAAAAAAAAAAA` } });
    const answers = await Promise.all(Array.from({ length: 25 }, () => read(`Authorization: Bearer ${forged}`)));
    await rows.records(answers.map(({ headers }) => headers["x-heauth-record"] ?? ""));
    const raised = (await rows.alerts(scene.joy.login.tenantId)).filter(({ reason }) => reason === "BadTag");
    expect(raised).toEqual([{ reason: "BadTag", session_id: null, count: expect.any(String) }]);
    expect(Number(raised[0]?.count)).toBeGreaterThanOrEqual(20);
  }, 90_000);

  test("good ones are let through, by the same sidecar", async () => {
    const { joy } = scene;
    const token = joy.login.accessToken;
    const late = joy.token({ payload: { exp: Math.floor(Date.now() / 1000) - 5 } });
    const early = joy.token({ payload: { nbf: Math.floor(Date.now() / 1000) + 20 } });
    const answers = [
      await read(`Authorization: Bearer ${token}`),
      await read(`authorization: bearer ${token}`),
      await read(`Authorization: BEARER   ${token}  `),
      await read("Authorization: Bearer", ` ${token}`),
      await read(`Authorization: Bearer ${token}`, "Authorization:"),
      await read(`Cookie: theme=dark; __Host-heauth-access=${token}`),
      await read(`Authorization: Bearer ${late}`),
      await read(`Authorization: Bearer ${early}`),
    ];
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(rig.upstream.seen).toHaveLength(8);
    expect(await rig.sidecar()).toEqual(sidecar);
  });
});

describe("no token reaches the app", () => {
  const seen = () => JSON.stringify(rig.upstream.seen);
  const tokens = () => [scene.joy.login.accessToken, scene.joy.login.refreshToken];

  test.each<[string, (access: string, refresh: string) => string[]]>([
    ["in a header", (access) => [`Authorization: Bearer ${access}`]],
    [
      "in cookies",
      (access, refresh) => [`Cookie: a=1; __Host-heauth-access=${access}; __Host-heauth-refresh=${refresh}; b=2`],
    ],
    [
      "in several headers",
      (access, refresh) => [
        "Cookie: a=1",
        `Cookie: __Host-heauth-access=${access}`,
        `Cookie: __Host-heauth-refresh=${refresh}`,
        "Cookie: b=2",
      ],
    ],
    ["twice", (access) => [`Cookie: __Host-heauth-access=${access}`, `Cookie: __Host-heauth-access=${access}`]],
    [
      "in both",
      (access, refresh) => [
        `Authorization: Bearer ${access}`,
        "Cookie: a=1",
        `Cookie: __Host-heauth-refresh=${refresh}`,
      ],
    ],
  ])("%s, on a public page", async (_, headers) => {
    const [access = "", refresh = ""] = tokens();
    expect(await get(rig.app(), "/healthz", ...headers(access, refresh))).toMatchObject({ status: 200 });
    expect(rig.upstream.seen).toHaveLength(1);
    for (const token of tokens()) expect(seen()).not.toContain(token);
  });
});

/** HTTP/2 clients may send each cookie apart (RFC 9113, section 8.2.3). */
test("over HTTP/2, cookies come apart and mean the same", async () => {
  const cookie = ["a=1", `__Host-heauth-access=${scene.joy.login.accessToken}`, "b=2"];
  const write = { ":method": "PUT", ":path": "/patients/4711" };
  expect(await overHttp2(rig.app(), { ...write, cookie, "sec-fetch-site": "same-origin" })).toBe(403);
  expect(await overHttp2(rig.app(), { ...write, cookie: [...cookie, ...cookie] })).toBe(400);
  expect(rig.upstream.seen).toEqual([]);
});

/** @returns the status */
async function overHttp2(url: string, headers: OutgoingHttpHeaders): Promise<number> {
  const session = connect(url);
  try {
    const [answer] = await once(session.request(headers), "response");
    return answer[":status"];
  } finally {
    session.destroy();
  }
}
