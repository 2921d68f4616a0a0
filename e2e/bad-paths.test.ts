import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type RawAnswer, rawRequest } from "./envoy/raw-request.ts";
import { type Rig, startRig } from "./standalone/rig.ts";
import { openRows, type Rows } from "./standalone/rows.ts";

const prefix = (value: string) => [{ path: { type: "PathPrefix", value } }];
const exact = (value: string) => [{ path: { type: "Exact", value } }];

/** Patients are for doctors, and so is one page of the office; all else is for everybody with a session, some of it for anybody. */
const policy = {
  rules: [
    { name: "health", match: exact("/healthz"), access: "Public" },
    { name: "public", match: prefix("/public"), access: "Public" },
    { name: "patients", match: prefix("/patients"), access: "Roles", roles: ["doctor"] },
    { name: "keys", match: exact("/office/keys"), access: "Roles", roles: ["doctor"] },
  ],
  defaultAction: "Authenticated",
};

let rig: Rig;
let rows: Rows;
let nurse: string;
let sidecar: unknown;
/** Record id → what it is to tell. */
const expected = new Map<string, { reason: string; rule: string | null }>();

beforeAll(async () => {
  rig = await startRig({ policies: { "clinic/web": policy } });
  rows = await openRows(await rig.databaseUrl());
  const account = await rig.people.create({ login: "joy", roles: ["nurse"] });
  nurse = (await rig.people.logIn(account, ["clinic"])).accessToken;
  sidecar = await rig.sidecar();
}, 60_000);
beforeEach(() => {
  rig.upstream.seen = [];
});
afterAll(async () => {
  await rows?.stop();
  await rig?.stop();
}, 40_000);

const named = (target: string) => (target.length < 80 ? target : `${target.slice(0, 20)}… (${target.length})`);
const asNurse = (target: string) => request(target, `Authorization: Bearer ${nurse}`);
const asNobody = (target: string) => request(target);

/** The target byte for byte: latin1, so that a test can say any byte. */
function request(target: string, ...headers: string[]): Promise<RawAnswer> {
  return rawRequest(rig.app(), [`GET ${target} HTTP/1.1`, `Host: ${new URL(rig.app()).host}`, ...headers]);
}

const codeOf = ({ body }: RawAnswer): string => {
  try {
    return JSON.parse(body).code;
  } catch {
    return "";
  }
};

function remember({ headers }: RawAnswer, reason: string, rule: string | null): void {
  const record = headers["x-heauth-record"] ?? "";
  expect(record).not.toBe("");
  expected.set(record, { reason, rule });
}

describe("no spelling of a doctors' page is for a nurse", () => {
  const spellings = [
    "/patients",
    "/patients/",
    "/patients/1",
    "//patients",
    "///patients//1",
    "/./patients",
    "/patients/.",
    "/x/../patients/1",
    "/public/../patients/1",
    "/public/x/../../patients",
    "/%2e/patients",
    "/public/%2e%2e/patients/1",
    "/public/%2E%2e/patients/1",
    "/public/.%2e/patients/1",
    "/../../patients",
    "/%70atients/1",
    "/%70%61%74%69%65%6e%74%73",
    "/patients?x=/public/",
    "/patients/1?x=/../../public",
    "/patients?",
    "/patients/x/../y",
    "/patients/1;v=2",
    "/patients/..a",
    "/public\\..\\patients",
    "/public/..;/patients",
    "/public/..;x=1/patients",
    `/public/${"../".repeat(2800)}patients`,
    "/office/keys",
    "/office//keys",
    "/office/x/../keys",
    "/office/%6beys",
    "http://clinic.example/patients/1",
    "http://clinic.example//public/../patients",
  ];
  test.each(spellings.map((target) => [named(target), target]))("%s", async (_, target) => {
    const answer = await asNurse(target);
    expect([answer.status, codeOf(answer)]).toEqual([403, "Forbidden"]);
    expect(rig.upstream.seen).toEqual([]);
    remember(answer, "RoleMissing", target.includes("office") ? "keys" : "patients");
    const anonymous = await asNobody(target);
    expect([anonymous.status, codeOf(anonymous)]).toEqual([401, "Unauthenticated"]);
    expect(rig.upstream.seen).toEqual([]);
  });
});

describe("what can be read in two ways is refused, whoever asks", () => {
  test.each([
    ["a double encoding of a slash", "/public%252f..%252fpatients"],
    ["a double encoding of dots", "/public/%252e%252e/patients"],
    ["a triple encoding", "/public/%25252e%25252e/patients"],
    ["half a double encoding", "/public/.%252e/patients"],
    ["an encoding that a second decoding completes", "/public/%%32%65/patients"],
    ["a double encoding of a backslash", "/public%255c..%255cpatients"],
    ["a double encoding of NUL", "/patients%2500"],
    ["a percent sign alone", "/patients%"],
    ["half an encoding", "/patients/%2"],
    ["an encoding that is none", "/%zzpatients"],
    ["an encoding of another age", "/%u0070atients"],
    ["an overlong slash", "/public%c0%af..%c0%afpatients"],
    ["an overlong dot", "/public/%c0%ae%c0%ae/patients"],
    ["a byte that is not UTF-8", "/patients%ff"],
    ["encoded dots with a parameter", "/public/%2e%2e;/patients"],
    ["a parameter at the rule's element", "/patients;x/1"],
    ["an encoded parameter there", "/patients%3bx/1"],
    ["a parameter in front of it", "/;x/patients"],
    ["a parameter on a public page", "/healthz;x"],
    ["a parameter on one page", "/office/keys;jsessionid=1"],
    ["slashes only", "//"],
    ["more than 8 KiB", `/public/${"a".repeat(8192)}`],
    ["more than 8 KiB of query", `/public?${"a".repeat(8192)}`],
  ])("%s", async (_, target) => {
    for (const ask of [asNurse, asNobody]) {
      const answer = await ask(target);
      expect([answer.status, codeOf(answer)]).toEqual([400, "AmbiguousPath"]);
      expect(rig.upstream.seen).toEqual([]);
      remember(answer, "AmbiguousPath", null);
    }
  });
});

describe("what is no path is refused by Envoy", () => {
  test.each([
    ["an encoded slash", "/public%2f..%2fpatients", 400],
    ["an encoded slash in upper case", "/public%2Fx", 400],
    ["an encoded backslash", "/public%5cpatients", 400],
    ["an encoded NUL", "/patients%00", 400],
    ["a NUL byte", "/patients\0", 400],
    ["a fragment", "/patients#/public", 400],
    ["an empty fragment", "/patients#", 400],
    ["unicode", "/pätients", 400],
    ["full-width letters", "/ｐatients", 400],
    ["white space", "/patients /1", 400],
    ["a tab", "/patients\t1", 400],
    ["a control character", "/patients\x01", 400],
    ["an asterisk", "*", 400],
    ["no slash", "patients", 400],
    ["a backslash instead of it", "\\patients\\1", 400],
    ["a question mark alone", "?x", 400],
    ["nothing", "", 400],
    ["more than 60 KiB", `/public/${"a".repeat(61 * 1024)}`, 431],
    ["an absolute form with an encoded slash", "http://clinic.example/public%2f..%2fpatients", 400],
  ])("%s", async (_, target, status) => {
    const answer = await asNurse(target);
    expect([answer.status, codeOf(answer)]).toEqual([status, ""]);
    expect(rig.upstream.seen).toEqual([]);
  });
});

describe("what is another page reaches the app as that page", () => {
  const pages: [target: string, meant: string][] = [
    ["/Patients", "/Patients"],
    ["/patientsx", "/patientsx"],
    ["/patients.", "/patients."],
    ["/patients%20", "/patients%20"],
    ["/patients%3f", "/patients%3f"],
    ["/patients/../x", "/x"],
    ["/x;y/patients", "/x;y/patients"],
    ["/office/keys/", "/office/keys/"],
    ["/office/%25", "/office/%25"],
    ["/caf%C3%A9?q=%2f..%2f", "/caf%C3%A9?q=%2f..%2f"],
    [`/${"a".repeat(8000)}`, `/${"a".repeat(8000)}`],
  ];
  test.each(pages.map((page) => [named(page[0]), ...page] as const))("%s", async (_, target, meant) => {
    expect(await asNurse(target)).toMatchObject({ status: 200 });
    expect(rig.upstream.seen.map(({ path }) => path)).toEqual([meant]);
    expect(await asNobody(target)).toMatchObject({ status: 401 });
  });
});

test("each refusal has its record, and the same sidecar still answers", async () => {
  const records = await rows.records([...expected.keys()]);
  expect(records.map(({ id, reason, rule }) => [id, { reason, rule }])).toEqual([...expected]);
  expect(await asNobody("/public/x")).toMatchObject({ status: 200 });
  expect(await asNurse("/office")).toMatchObject({ status: 200 });
  expect(await rig.sidecar()).toEqual(sidecar);
  expect(await rows.alerts((await rows.query<{ id: string }>("SELECT id FROM tenant"))[0]?.id ?? "")).toEqual([]);
}, 90_000);
