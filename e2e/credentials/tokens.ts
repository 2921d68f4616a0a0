import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import type { BadCredential } from "./headers.ts";
import type { Scene } from "./scene.ts";

type BadToken = readonly [name: string, token: (scene: Scene) => string, reason: string];

const HOUR = 3600;
const now = () => Math.floor(Date.now() / 1000);
const unknown = "01920000-0000-7000-8000-000000000001";

const good = ({ joy }: Scene) => joy.login.accessToken;
const parts = (token: string) => token.split(".") as [string, string, string];
const header =
  (fields: object) =>
  ({ joy }: Scene) =>
    joy.token({ header: { ...fields } });
const headerText =
  (text: (usual: string) => string | Buffer) =>
  ({ joy }: Scene) =>
    joy.token({ header: text(JSON.stringify({ alg: "Ed25519", typ: "at+jwt", kid: joy.kid() })) });
const payload = (fields: (scene: Scene) => object) => (scene: Scene) =>
  scene.joy.token({ payload: { ...fields(scene) } });
const payloadText =
  (text: (usual: string) => string | Buffer) =>
  ({ joy }: Scene) =>
    joy.token({ payload: text(JSON.stringify(joy.claims)) });
/** The same header and payload, and another signature. */
const resigned = (signature: (signed: Buffer, scene: Scene) => Buffer | string) => (scene: Scene) => {
  const [head, body] = parts(good(scene));
  const made = signature(Buffer.from(`${head}.${body}`), scene);
  return `${head}.${body}.${typeof made === "string" ? made : made.toString("base64url")}`;
};
/** An attacker's key, in the header or behind an address there, and a signature of it. */
const own = (fields: (scene: Scene) => object) => (scene: Scene) =>
  scene.joy.token({ header: { ...fields(scene) }, key: scene.strange });
const jwk = ({ strange }: Scene) => strange.export({ format: "jwk" }) as object;
/** Ed25519 without the rule that S is below the group's order would take S + L too (RFC 8032, section 5.1.7). */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

/** In the form of a token, or nearly. All are 401, and all look alike from outside. */
const table: readonly BadToken[] = [
  // Segments
  ["one segment", () => "garbage", "MalformedToken"],
  ["8 KiB of garbage", () => "x".repeat(8192), "MalformedToken"],
  ["two segments", (s) => parts(good(s)).slice(0, 2).join("."), "MalformedToken"],
  ["four segments", (s) => `${good(s)}.AAAA`, "MalformedToken"],
  ["five segments, as encrypted ones have", (s) => `${good(s)}.AAAA.AAAA`, "MalformedToken"],
  ["an empty header", (s) => `.${parts(good(s)).slice(1).join(".")}`, "MalformedToken"],
  ["an empty payload", (s) => `${parts(good(s))[0]}..${parts(good(s))[2]}`, "MalformedToken"],
  ["dots only", () => "..", "MalformedToken"],
  ["a refresh token", ({ joy }) => joy.login.refreshToken, "MalformedToken"],
  ["another alphabet", (s) => good(s).replace(/\.(.)/, ".+"), "MalformedToken"],
  ["cut in the header", (s) => good(s).slice(0, 20), "MalformedToken"],
  ["cut in the payload", (s) => good(s).slice(0, good(s).indexOf(".") + 40), "MalformedToken"],
  ["cut after the payload's dot", (s) => good(s).slice(0, good(s).lastIndexOf(".") + 1), "BadSignature"],
  ["cut in the signature", (s) => good(s).slice(0, -40), "BadSignature"],
  ["cut by one character", (s) => good(s).slice(0, -1), "BadSignature"],
  ["one character more", (s) => `${good(s)}A`, "BadSignature"],
  ["padding", (s) => `${good(s)}==`, "BadSignature"],

  // Header
  ["a header that is not JSON", headerText(() => "heauth"), "MalformedToken"],
  ["a header that is a list", headerText((usual) => `[${usual}]`), "MalformedToken"],
  ["a header with a key twice", headerText((usual) => usual.replace("{", '{"alg":"none",')), "MalformedToken"],
  ["a header with white space", headerText((usual) => usual.replace(",", ", ")), "MalformedToken"],
  ["a header with a NUL byte", headerText((usual) => `${usual}\0`), "MalformedToken"],
  [
    "a header that is not UTF-8",
    headerText((usual) => Buffer.from(usual.replace("{", '{"ä":1,'), "latin1")),
    "MalformedToken",
  ],
  ["a header with a byte order mark", headerText((usual) => `\ufeff${usual}`), "MalformedToken"],
  ["__proto__ with the algorithm", headerText((usual) => `{"__proto__":${usual}}`), "WrongAlgorithm"],
  [
    "alg none, unsigned",
    (s) =>
      `${parts(header({ alg: "none" })(s))
        .slice(0, 2)
        .join(".")}.`,
    "WrongAlgorithm",
  ],
  ["alg none, signed", header({ alg: "none" }), "WrongAlgorithm"],
  ["alg nOnE", header({ alg: "nOnE" }), "WrongAlgorithm"],
  ["alg EdDSA", header({ alg: "EdDSA" }), "WrongAlgorithm"],
  ["alg ed25519", header({ alg: "ed25519" }), "WrongAlgorithm"],
  ["alg HS256 with the public key as secret", hs256, "WrongAlgorithm"],
  ["alg RS256", rs256, "WrongAlgorithm"],
  ["alg as a list", header({ alg: ["Ed25519"] }), "WrongAlgorithm"],
  ["no alg", header({ alg: undefined }), "WrongAlgorithm"],
  ["typ JWT", header({ typ: "JWT" }), "WrongType"],
  ["typ of a refresh token", header({ typ: "rt+jwt" }), "WrongType"],
  ["typ with application/", header({ typ: "application/at+jwt" }), "WrongType"],
  ["typ in upper case", header({ typ: "AT+JWT" }), "WrongType"],
  ["no typ", header({ typ: undefined }), "WrongType"],
  ["crit", header({ crit: ["exp"] }), "MalformedToken"],
  ["b64", header({ b64: false }), "MalformedToken"],
  ["jwk", own((s) => ({ jwk: jwk(s) })), "BadSignature"],
  ["jku", own(() => ({ jku: "http://127.0.0.1:9/keys.json" })), "BadSignature"],
  ["x5u", own(() => ({ x5u: "http://127.0.0.1:9/cert.pem" })), "BadSignature"],
  ["x5c", own(() => ({ x5c: ["MIIB"] })), "BadSignature"],
  ["no kid", header({ kid: undefined }), "MalformedToken"],
  ["a kid without tag", (s) => header({ kid: s.joy.login.session })(s), "MalformedToken"],
  ["a kid as a number", header({ kid: 1 }), "MalformedToken"],
  ["a kid as a path", header({ kid: "../../keys/identity.json" }), "MalformedToken"],
  ["a kid with SQL", header({ kid: "' OR 1=1 --.AAAAAAAAAAAAAAAA" }), "MalformedToken"],
  ["a kid in upper case", (s) => header({ kid: s.joy.kid().toUpperCase() })(s), "MalformedToken"],
  ["a forged tag", (s) => header({ kid: `${s.joy.login.session}.AAAAAAAAAAAAAAAA` })(s), "BadTag"],
  ["a tag of another session", (s) => header({ kid: `${unknown}.${s.joy.kid().split(".")[1]}` })(s), "BadTag"],
  ["a tag of another tenant's key", (s) => header({ kid: s.rival.kid(s.joy.login.session) })(s), "BadTag"],
  [
    "a session that is not there, with a good tag",
    (s) => s.joy.token({ header: { kid: s.joy.kid(unknown) }, payload: { sid: unknown } }),
    "UnknownSession",
  ],

  // Signature
  ["a signature of zeros", resigned(() => Buffer.alloc(64)), "BadSignature"],
  [
    "a signature with the order added",
    resigned((signed, { joy }) => plusOrder(sign(null, signed, joy.privateKey))),
    "BadSignature",
  ],
  [
    "a signature in hexadecimal",
    resigned((signed, { joy }) => sign(null, signed, joy.privateKey).toString("hex")),
    "BadSignature",
  ],
  [
    "the key of another session of hers",
    ({ joy, joyAgain }) => joy.token({ key: joyAgain.privateKey }),
    "BadSignature",
  ],
  ["a key of the attacker's", ({ joy, strange }) => joy.token({ key: strange }), "BadSignature"],
  [
    "another session's name in the header",
    ({ joy, joyAgain }) => joy.token({ header: { kid: joyAgain.kid() } }),
    "BadSignature",
  ],
  ["roles changed", (s) => changed(s, '"nurse"', '"doctor"'), "BadSignature"],
  [
    "a later expiry",
    (s) => changed(s, `"exp":${s.joy.claims.exp}`, `"exp":${s.joy.claims.exp + HOUR}`),
    "BadSignature",
  ],
  ["another user", (s) => changed(s, s.joy.login.user, s.rival.login.user), "BadSignature"],

  // Claims, signed by the session itself
  ["a payload that is not JSON", payloadText(() => "heauth"), "MalformedToken"],
  ["a payload that is a list", payloadText((usual) => `[${usual}]`), "MalformedToken"],
  ["a payload with a key twice", payloadText((usual) => usual.replace("{", '{"exp":1,')), "MalformedToken"],
  ["a payload with white space", payloadText((usual) => ` ${usual}`), "MalformedToken"],
  ["no exp", payload(() => ({ exp: undefined })), "MalformedToken"],
  ["exp as a text", payload(() => ({ exp: "9999999999" })), "MalformedToken"],
  ["exp beyond all numbers", payloadText((usual) => usual.replace(/"exp":\d+/, '"exp":1e999')), "MalformedToken"],
  ["a negative exp", payload(() => ({ exp: -1 })), "MalformedToken"],
  ["aud as a text", payload(() => ({ aud: "clinic" })), "MalformedToken"],
  ["another session's id", (s) => payload(() => ({ sid: s.joyAgain.login.session }))(s), "MalformedToken"],
  ["expired", payload(() => ({ exp: now() - 31 })), "TokenExpired"],
  ["long expired", payload(() => ({ nbf: 0, iat: 0, exp: 1 })), "TokenExpired"],
  ["not yet valid", payload(() => ({ nbf: now() + 60 })), "TokenNotYetValid"],
  ["another issuer", payload(() => ({ iss: "https://evil.example" })), "WrongIssuer"],
  ["the issuer with a slash", payload(({ joy }) => ({ iss: `${joy.claims.iss}/` })), "WrongIssuer"],
  ["another tenant's name in it", payload(({ rival }) => ({ tenant: rival.login.tenantId })), "WrongTenant"],
  ["no audience", payload(() => ({ aud: [] })), "WrongAudience"],
  ["an audience in upper case", payload(() => ({ aud: ["CLINIC"] })), "WrongAudience"],

  // Good ones, but not here or not any more
  ["another tenant's token", ({ rival }) => rival.login.accessToken, "WrongTenant"],
  ["a tenant's own token", ({ tenantToken }) => tenantToken, "WrongTenant"],
  ["a token for the laboratory", ({ forLab }) => forLab.accessToken, "WrongAudience"],
  ["a token for identity", ({ forIdentity }) => forIdentity.accessToken, "WrongAudience"],
  ["a session that was logged out", ({ loggedOut }) => loggedOut.accessToken, "SessionClosed"],
  ["a session whose refresh token was stolen", ({ reused }) => reused.accessToken, "SessionClosed"],
  ["a session of a deleted user", ({ deleted }) => deleted.accessToken, "SessionClosed"],
  ["a session that was not used for too long", ({ idle }) => idle.accessToken, "SessionIdle"],
];

export const badTokens: readonly BadCredential[] = table.map(([name, token, reason]) => [
  name,
  (scene) => [`Authorization: Bearer ${token(scene)}`],
  401,
  "Unauthenticated",
  reason,
]);

function hs256({ joy }: Scene): string {
  const [head, body] = parts(joy.token({ header: { alg: "HS256" } }));
  return `${head}.${body}.${createHmac("sha256", joy.publicKey).update(`${head}.${body}`).digest("base64url")}`;
}

function rs256({ joy }: Scene): string {
  const [head, body] = parts(joy.token({ header: { alg: "RS256" } }));
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return `${head}.${body}.${sign("sha256", Buffer.from(`${head}.${body}`), privateKey).toString("base64url")}`;
}

function plusOrder(signature: Buffer): Buffer {
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString("hex")}`) + ORDER;
  const bytes = Buffer.from(s.toString(16).padStart(64, "0"), "hex").reverse();
  return Buffer.concat([signature.subarray(0, 32), bytes]);
}

function changed(scene: Scene, from: string, to: string): string {
  const [head, body, signature] = parts(good(scene));
  const claims = Buffer.from(body, "base64url").toString();
  if (!claims.includes(from)) throw new Error(`the token does not hold ${from}`);
  return `${head}.${Buffer.from(claims.replace(from, to)).toString("base64url")}.${signature}`;
}
