import { generateKeyPairSync } from "node:crypto";
import type { Evidence } from "@heauth/core/policy";
import { ACCESS_COOKIE, newTagKey } from "@heauth/core/tokens";
import { uuidv7 } from "@heauth/program";
import { beforeEach, describe, expect, test } from "@jest/globals";
import { type Authentication, authenticate } from "./authenticate.ts";
import type { KnownSession, SessionCache } from "./sessions/index.ts";
import { bearer, Requests } from "./testing/requests.ts";

let it: Requests;
let session: string;
let verifications: number;

beforeEach(() => {
  it = new Requests();
  it.cache.listener.begin(it.hub.tenant, true);
  session = it.hub.open();
  verifications = 0;
});

const { publicKey: foreignKey } = generateKeyPairSync("ed25519");
const wrapped = new WeakMap<KnownSession, KnownSession>();

/** The session, counting how often its key is asked for; the same for the same. */
function counted(known: KnownSession): KnownSession {
  const before = wrapped.get(known);
  if (before !== undefined) return before;
  const counting = {
    ...known,
    get publicKey() {
      verifications += 1;
      return known.publicKey;
    },
  };
  wrapped.set(known, counting);
  return counting;
}

/** Of headers; counts how often a session's key is asked for, which is what a verification needs. */
function authenticated(headers: { authorization: string[]; cookie: string[] }): Promise<Authentication> {
  const counting: SessionCache = {
    ...it.cache,
    async resolve(...asked) {
      const resolution = await it.cache.resolve(...asked);
      if (resolution.kind !== "Known") return resolution;
      return { ...resolution, session: counted(resolution.session) };
    },
  };
  return authenticate(headers, { policy: it.policy(), tagKeys: [newTagKey(), it.tagKey], sessions: counting });
}

const outcome = ({ evidence }: Authentication) => (evidence.kind === "Refused" ? evidence.reason : evidence.kind);
const ofBearer = async (token: string) => outcome(await authenticated(bearer(token)));
const judged = (evidence: Evidence) => {
  const policy = it.policy();
  const request = { method: "GET", target: "/orders" };
  return policy.decide({ request, route: policy.route(request), evidence, nowMs: it.clock.wallMs() }).reason;
};

describe("a token that was verified", () => {
  test("costs no verification again", async () => {
    const token = it.token(session);
    expect(await ofBearer(token)).toBe("Verified");
    expect(verifications).toBe(1);
    expect(await ofBearer(token)).toBe("Verified");
    expect(verifications).toBe(1);
  });

  test("counts for the session that verified it, and for no other of the same id", async () => {
    const forged = it.token(session).replace(/.{8}$/, "AAAAAAAA");
    const other: KnownSession = {
      id: session,
      tenant: it.hub.tenant,
      kind: "User",
      user: uuidv7(),
      publicKey: foreignKey,
    };
    const token = { iss: "", tenant: it.hub.tenant, aud: [], nbf: 0, exp: 0 };
    it.cache.tokens.remember(forged, { session: other, token });
    expect(await ofBearer(forged)).toBe("BadSignature");
  });

  test("is another one with any other character", async () => {
    const token = it.token(session);
    await ofBearer(token);
    const at = token.lastIndexOf(".") + 40;
    const changed = token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
    expect(await ofBearer(changed)).toBe("BadSignature");
    expect(verifications).toBe(2);
    expect(await ofBearer(changed)).toBe("BadSignature");
    expect(verifications).toBe(3);
  });

  test("goes with its session: once that is closed it is forgotten, and refused", async () => {
    const token = it.token(session);
    await ofBearer(token);
    expect(it.cache.tokens.recall(token)).toBeDefined();
    it.close(session);
    expect(it.cache.tokens.recall(token)).toBeUndefined();
    const after = await authenticated(bearer(token));
    expect(judged(after.evidence)).toBe("SessionClosed");
  });

  test("still grows old", async () => {
    const token = it.token(session);
    expect(judged((await authenticated(bearer(token))).evidence)).toBeUndefined();
    it.clock.pass(629_999);
    expect(judged((await authenticated(bearer(token))).evidence)).toBeUndefined();
    it.clock.pass(1);
    expect(judged((await authenticated(bearer(token))).evidence)).toBe("TokenExpired");
    expect(verifications).toBe(1);
  });
});

describe("a token with a foreign tag", () => {
  test("is of the wrong tenant when it says so itself, and garbage otherwise; nothing is looked up", async () => {
    const foreign = newTagKey();
    expect(await ofBearer(it.token(session, { tenant: uuidv7() }, foreign))).toBe("WrongTenant");
    expect(await ofBearer(it.token(session, {}, foreign))).toBe("BadTag");
    expect(await ofBearer(it.token(session, { tenant: "not an id" }, foreign))).toBe("BadTag");
    expect(it.hub.lookUps).toBe(0);
  });

  test("a good tag does not make another tenant's claims good", async () => {
    const { evidence } = await authenticated(bearer(it.token(session, { tenant: uuidv7() })));
    expect(judged(evidence)).toBe("WrongTenant");
  });
});

describe("more than one credential", () => {
  test.each<[string, (token: string) => { authorization: string[]; cookie: string[] }]>([
    ["two headers", (token) => ({ authorization: [`Bearer ${token}`, `Bearer ${token}`], cookie: [] })],
    ["two headers joined by Envoy", (token) => ({ authorization: [`Bearer ${token},Bearer ${token}`], cookie: [] })],
    ["two headers joined with a space", (token) => ({ authorization: [`Bearer ${token}, Bearer x`], cookie: [] })],
    [
      "two cookies joined by Envoy",
      (token) => ({ authorization: [], cookie: [`${ACCESS_COOKIE}=${token}; a=b; ${ACCESS_COOKIE}=${token}`] }),
    ],
    ["header and cookie", (token) => ({ authorization: [`Bearer ${token}`], cookie: [`${ACCESS_COOKIE}=${token}`] })],
  ])("%s: refused, whatever they are", async (_, headers) => {
    expect(outcome(await authenticated(headers(it.token(session))))).toBe("DuplicateCredential");
    expect(it.hub.lookUps).toBe(0);
  });
});

test("a cookie does as well", async () => {
  const cookie = [`theme=dark; ${ACCESS_COOKIE}=${it.token(session)}`];
  expect((await authenticated({ authorization: [], cookie })).evidence).toMatchObject({
    kind: "Verified",
    source: "Cookie",
  });
});

test.each([
  [
    "nobody answers",
    () => {
      it.hub.mode = "fails";
    },
    "StoreUnavailable",
  ],
  ["the session does not exist", () => void it.hub.answers.delete(session), "UnknownSession"],
  [
    "nobody vouches for it",
    () => void it.hub.change(session, { statementSignature: new Uint8Array(64) }),
    "BadStatement",
  ],
])("where %s the evidence says so", async (_, happens, reason) => {
  const token = it.token(session);
  happens();
  const authentication = await authenticated(bearer(token));
  expect(outcome(authentication)).toBe(reason);
  expect(authentication.session).toBeUndefined();
});
