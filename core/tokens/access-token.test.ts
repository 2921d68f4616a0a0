import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { exportJWK, jwtVerify, SignJWT } from "jose";
import { rawPublicKey } from "../ledger/ed25519.ts";
import { MAX_TOKEN_BYTES, parseAccessToken, unverifiedTenant, verifyAccessToken } from "./access-token.ts";
import { tagOf } from "./tag.ts";
import { SESSION, TENANT, testSession } from "./testing/session.ts";

const session = testSession();
const good = session.mint();
const kid = `${SESSION}.${tagOf(session.tagKey, SESSION)}`;
const header = { alg: "Ed25519", typ: "at+jwt", kid };
const stranger = generateKeyPairSync("ed25519").privateKey;

const b64 = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

function forge(headerValue: unknown, payload: unknown = session.claims, key: KeyObject = stranger): string {
  const input = `${b64(headerValue)}.${b64(payload)}`;
  return `${input}.${sign(null, Buffer.from(input), key).toString("base64url")}`;
}

/** What comes of a token: `ok` or the reason. */
function outcome(token: string): string {
  const parsed = parseAccessToken(token);
  if (!parsed.ok) return parsed.reason;
  const verified = verifyAccessToken(parsed.token, session.publicKey);
  return verified.ok ? "ok" : verified.reason;
}

const [h = "", p = "", s = ""] = good.split(".");
const swapped = (text: string, index: number): string =>
  text.slice(0, index) + (text[index] === "A" ? "B" : "A") + text.slice(index + 1);

test("a minted token verifies, and says what it was given", () => {
  const parsed = parseAccessToken(good);
  if (!parsed.ok) throw new Error(parsed.reason);
  expect(parsed.token.session).toBe(SESSION);
  expect(parsed.token.tag).toBe(tagOf(session.tagKey, SESSION));
  expect(verifyAccessToken(parsed.token, session.publicKey)).toEqual({ ok: true, claims: session.claims });
});

test("another JWT library verifies it too, and its tokens are verified here", async () => {
  const options = { algorithms: ["Ed25519"], typ: "at+jwt", currentDate: new Date(session.claims.iat * 1000) };
  await expect(jwtVerify(good, session.publicKey, options)).resolves.toMatchObject({ payload: session.claims });
  const theirs = await new SignJWT({ ...session.claims, aud: [...session.claims.aud] })
    .setProtectedHeader(header)
    .sign(session.privateKey);
  expect(outcome(theirs)).toBe("ok");
});

test("no character of a token can be changed", () => {
  for (let index = 0; index < good.length; index++) {
    if (good[index] !== ".") expect(outcome(swapped(good, index))).not.toBe("ok");
  }
  // The last character has spare bits: a lenient decoder would read the same signature from it.
  const lasts = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"];
  expect(lasts.filter((last) => outcome(good.slice(0, -1) + last) === "ok")).toEqual([good.at(-1)]);
});

describe("headers that would bring a key of their own are not looked at", () => {
  const jwk = { kty: "OKP", crv: "Ed25519", x: rawPublicKey(stranger).toString("base64url") };
  test.each([
    ["jwk", { jwk }],
    ["jku", { jku: "https://evil.example/keys" }],
    ["x5u", { x5u: "https://evil.example/cert" }],
    ["x5c", { x5c: ["MIIB"] }],
    ["x5t", { x5t: "AAAA" }],
    ["zip", { zip: "DEF" }],
    ["cty", { cty: "JWT" }],
  ])("%s", async (_, extra) => {
    expect(outcome(forge({ ...header, ...extra }))).toBe("BadSignature");
    // The forger's own key does fit: it is the key that is not taken from the token.
    expect(await exportJWK(stranger)).toMatchObject({ x: jwk.x });
    expect(outcome(forge({ ...header, ...extra }, session.claims, session.privateKey))).toBe("ok");
  });
});

const hs256 = `${b64({ ...header, alg: "HS256" })}.${p}`;
const bad: [name: string, token: string, reason: string][] = [
  ["empty", "", "MalformedToken"],
  ["one segment", "abc", "MalformedToken"],
  ["two segments", `${h}.${p}`, "MalformedToken"],
  ["four segments", `${good}.AAAA`, "MalformedToken"],
  ["five segments, as an encrypted token has", `${h}.${p}.${s}.AAAA.AAAA`, "MalformedToken"],
  ["dots only", "..", "MalformedToken"],
  ["an empty header", `.${p}.${s}`, "MalformedToken"],
  ["an empty payload", `${h}..${s}`, "MalformedToken"],
  ["an empty signature", `${h}.${p}.`, "BadSignature"],
  ["a truncated signature", good.slice(0, -4), "BadSignature"],
  ["a signature of 63 bytes", `${h}.${p}.${Buffer.alloc(63).toString("base64url")}`, "BadSignature"],
  ["a signature of 65 bytes", `${h}.${p}.${Buffer.alloc(65).toString("base64url")}`, "BadSignature"],
  ["a signature of zeros", `${h}.${p}.${Buffer.alloc(64).toString("base64url")}`, "BadSignature"],
  ["a padded signature", `${good}==`, "BadSignature"],
  ["another's signature", forge(header), "BadSignature"],
  ["another's payload", `${h}.${b64({ ...session.claims, roles: ["admin"] })}.${s}`, "BadSignature"],
  ["a truncated payload", `${h}.${p.slice(0, -2)}.${s}`, "BadSignature"],
  ["white space in front", ` ${good}`, "MalformedToken"],
  ["white space behind", `${good} `, "BadSignature"],
  ["a line feed in the payload", `${h}.${p}\n.${s}`, "MalformedToken"],
  ["a NUL byte in the header", `${h}\0.${p}.${s}`, "MalformedToken"],
  ["a NUL byte in the payload", `${h}.${p}\0.${s}`, "MalformedToken"],
  ["a NUL byte in the signature", `${h}.${p}.${s}\0`, "BadSignature"],
  ["unicode", "ünïcödé.tökén.hérë", "MalformedToken"],
  ["a full-width dot", good.replace(".", "．"), "MalformedToken"],
  ["a lone surrogate", `\ud800.${p}.${s}`, "MalformedToken"],
  ["plain base64 alphabet", `${h}+/.${p}.${s}`, "MalformedToken"],
  ["percent-encoded dots", good.replaceAll(".", "%2e"), "MalformedToken"],
  ["a header that is not JSON", `${b64("not json")}.${p}.${s}`, "MalformedToken"],
  ["a header that is an array", `${b64([])}.${p}.${s}`, "MalformedToken"],
  ["a header that is null", `${b64("null")}.${p}.${s}`, "MalformedToken"],
  ["a header that is a number", `${b64("1")}.${p}.${s}`, "MalformedToken"],
  [
    "a header that is not UTF-8",
    `${Buffer.from([0x7b, 0xff, 0x7d]).toString("base64url")}.${p}.${s}`,
    "MalformedToken",
  ],
  [
    "a header with white space",
    `${b64(`{"alg": "Ed25519","typ":"at+jwt","kid":"${kid}"}`)}.${p}.${s}`,
    "MalformedToken",
  ],
  ["alg twice", forge(`{"alg":"none","alg":"Ed25519","typ":"at+jwt","kid":"${kid}"}`), "MalformedToken"],
  ["kid twice", forge(`{"alg":"Ed25519","typ":"at+jwt","kid":"x","kid":"${kid}"}`), "MalformedToken"],
  ["an escaped key", forge(`{"\\u0061lg":"Ed25519","typ":"at+jwt","kid":"${kid}"}`), "MalformedToken"],
  ["a __proto__ header", forge(`{"__proto__":{"alg":"Ed25519","typ":"at+jwt","kid":"${kid}"}}`), "WrongAlgorithm"],
  ["no alg", forge({ typ: "at+jwt", kid }), "WrongAlgorithm"],
  ["alg none", `${b64({ ...header, alg: "none" })}.${p}.`, "WrongAlgorithm"],
  ["alg None", `${b64({ ...header, alg: "None" })}.${p}.`, "WrongAlgorithm"],
  [
    "alg EdDSA, validly signed",
    forge({ ...header, alg: "EdDSA" }, session.claims, session.privateKey),
    "WrongAlgorithm",
  ],
  ["alg ed25519", forge({ ...header, alg: "ed25519" }, session.claims, session.privateKey), "WrongAlgorithm"],
  ["alg Ed448", forge({ ...header, alg: "Ed448" }), "WrongAlgorithm"],
  ["alg RS256", forge({ ...header, alg: "RS256" }), "WrongAlgorithm"],
  ["alg ES256", forge({ ...header, alg: "ES256" }), "WrongAlgorithm"],
  [
    "HS256 with the public key as secret",
    `${hs256}.${createHmac("sha256", rawPublicKey(session.publicKey)).update(hs256).digest("base64url")}`,
    "WrongAlgorithm",
  ],
  ["alg as a list", forge({ ...header, alg: ["Ed25519"] }), "WrongAlgorithm"],
  ["alg null", forge({ ...header, alg: null }), "WrongAlgorithm"],
  ["no typ", forge({ alg: "Ed25519", kid }), "WrongType"],
  ["typ JWT, validly signed", forge({ ...header, typ: "JWT" }, session.claims, session.privateKey), "WrongType"],
  ["typ AT+JWT", forge({ ...header, typ: "AT+JWT" }), "WrongType"],
  ["typ secevent+jwt", forge({ ...header, typ: "secevent+jwt" }), "WrongType"],
  ["crit", forge({ ...header, crit: ["exp"] }, session.claims, session.privateKey), "MalformedToken"],
  ["an empty crit", forge({ ...header, crit: [] }, session.claims, session.privateKey), "MalformedToken"],
  ["b64 false", forge({ ...header, b64: false, crit: ["b64"] }, session.claims, session.privateKey), "MalformedToken"],
  ["b64 without crit", forge({ ...header, b64: false }, session.claims, session.privateKey), "MalformedToken"],
  ["no kid", forge({ alg: "Ed25519", typ: "at+jwt" }), "MalformedToken"],
  ["kid without tag", forge({ ...header, kid: SESSION }), "MalformedToken"],
  ["kid with a short tag", forge({ ...header, kid: kid.slice(0, -1) }), "MalformedToken"],
  ["kid with a long tag", forge({ ...header, kid: `${kid}A` }), "MalformedToken"],
  ["kid with SQL", forge({ ...header, kid: "' OR 1=1 --" }), "MalformedToken"],
  ["kid with a path", forge({ ...header, kid: "../../../etc/passwd" }), "MalformedToken"],
  ["kid with a NUL byte", forge({ ...header, kid: `${kid}\0` }), "MalformedToken"],
  ["kid with a line feed", forge({ ...header, kid: `${kid}\n` }), "MalformedToken"],
  ["kid in upper case", forge({ ...header, kid: kid.replace("-8000-", "-A000-") }), "MalformedToken"],
  ["kid of a random UUID", forge({ ...header, kid: kid.replace("-7", "-4") }), "MalformedToken"],
  ["kid as a number", forge({ ...header, kid: 1 }), "MalformedToken"],
  ["kid as an object", forge({ ...header, kid: { session: SESSION } }), "MalformedToken"],
  ["huge", `${h}.${"A".repeat(MAX_TOKEN_BYTES)}.${s}`, "MalformedToken"],
  ["many dots", ".".repeat(MAX_TOKEN_BYTES), "MalformedToken"],
  ["deep JSON", `${b64(`${"[".repeat(2000)}${"]".repeat(2000)}`)}.${p}.${s}`, "MalformedToken"],
  // What only identity could have signed is still not taken when it is not whole.
  ["a signed payload that is not JSON", forge(header, "hello", session.privateKey), "MalformedToken"],
  ["a signed list", forge(header, [], session.privateKey), "MalformedToken"],
  [
    "a signed payload with a claim twice",
    forge(header, `{"sid":"x",${JSON.stringify(session.claims).slice(1)}`, session.privateKey),
    "MalformedToken",
  ],
  [
    "a signed payload of another session",
    forge(header, { ...session.claims, sid: SESSION.replace(/1$/, "2") }, session.privateKey),
    "MalformedToken",
  ],
  [
    "a signed payload without exp",
    forge(header, { ...session.claims, exp: undefined }, session.privateKey),
    "MalformedToken",
  ],
  ["exp as text", forge(header, { ...session.claims, exp: "9999999999" }, session.privateKey), "MalformedToken"],
  ["exp beyond numbers", forge(header, { ...session.claims, exp: 1e300 }, session.privateKey), "MalformedToken"],
  ["a negative nbf", forge(header, { ...session.claims, nbf: -1 }, session.privateKey), "MalformedToken"],
  ["aud as text", forge(header, { ...session.claims, aud: "shop" }, session.privateKey), "MalformedToken"],
  ["roles as text", forge(header, { ...session.claims, roles: "admin" }, session.privateKey), "MalformedToken"],
  ["isTenant false", forge(header, { ...session.claims, isTenant: false }, session.privateKey), "MalformedToken"],
];

test.each(bad)("refuses %s", (_, token, reason) => {
  expect(outcome(token)).toBe(reason);
  expect(outcome(good)).toBe("ok");
});

test("the tenant that a token names can be read without believing it", () => {
  const named = (token: string): string | undefined => {
    const parsed = parseAccessToken(token);
    return parsed.ok ? unverifiedTenant(parsed.token) : undefined;
  };
  expect(named(good)).toBe(TENANT);
  expect(named(forge(header, { tenant: "'; DROP TABLE tenant" }))).toBeUndefined();
  expect(named(forge(header, { tenant: 7 }))).toBeUndefined();
  expect(named(forge(header, "nothing"))).toBeUndefined();
});
