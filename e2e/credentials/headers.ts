import type { Scene } from "./scene.ts";

/** What is sent, the status and code that come back, and the reason in the record; none where nobody was asked. */
export type BadCredential = readonly [
  name: string,
  headers: (scene: Scene) => string[],
  status: number,
  code: string,
  reason?: string,
];

const bearer = (token: string) => `Authorization: Bearer ${token}`;
const cookie = (token: string) => `Cookie: __Host-heauth-access=${token}`;
const good = ({ joy }: Scene) => joy.login.accessToken;

const NONE = [401, "Unauthenticated", "NoCredential"] as const;
const MALFORMED = [400, "MalformedCredential", "MalformedCredential"] as const;
const DUPLICATE = [400, "DuplicateCredential", "DuplicateCredential"] as const;
const OVERSIZE = [400, "OversizeCredential", "OversizeCredential"] as const;
/** Envoy does not take it for HTTP. */
const ENVOY = [400, ""] as const;

/** A good token, sent in ways that are not good. */
export const badHeaders: readonly BadCredential[] = [
  ["no credential", () => [], ...NONE],
  ["two Authorization headers", (s) => [bearer(good(s)), bearer(good(s))], ...DUPLICATE],
  [
    "a second Authorization header of another scheme",
    (s) => [bearer(good(s)), "Authorization: Basic am95Og=="],
    ...MALFORMED,
  ],
  ["two tokens in one header", (s) => [`${bearer(good(s))}, Bearer ${good(s)}`], ...DUPLICATE],
  ["header and cookie", (s) => [bearer(good(s)), cookie(good(s))], ...DUPLICATE],
  ["header and an empty cookie", (s) => [bearer(good(s)), cookie("")], ...DUPLICATE],
  ["two cookies in one header", (s) => [`${cookie(good(s))}; __Host-heauth-access=${good(s)}`], ...DUPLICATE],
  ["two cookies in two headers", (s) => [cookie(good(s)), cookie(good(s))], ...MALFORMED],
  ["a second header of cookies", (s) => ["Cookie: theme=dark", cookie(good(s))], ...NONE],
  ["a cookie in another's value", (s) => [`Cookie: theme=dark,__Host-heauth-access=${good(s)}`], ...NONE],
  ["more than 8 KiB", () => [bearer("x".repeat(8193))], ...OVERSIZE],
  ["a good token with a long tail", (s) => [bearer(good(s) + "x".repeat(8192))], ...OVERSIZE],
  ["a cookie of 40 KiB", () => [cookie("x".repeat(40 * 1024))], ...OVERSIZE],
  ["more than Envoy reads", () => [bearer("x".repeat(61 * 1024))], 431, ""],
  ["an empty bearer", () => ["Authorization: Bearer"], ...MALFORMED],
  ["a bearer of white space", () => ["Authorization: Bearer    "], ...MALFORMED],
  ["an empty header", () => ["Authorization:"], ...NONE],
  ["Basic", () => ["Authorization: Basic am95OnNlY3JldA=="], ...NONE],
  ["Basic with the token", (s) => [`Authorization: Basic ${good(s)}`], ...NONE],
  ["the token alone", (s) => [`Authorization: ${good(s)}`], ...NONE],
  ["no space after the scheme", (s) => [`Authorization: Bearer${good(s)}`], ...NONE],
  ["a tab after the scheme", (s) => [`Authorization: Bearer\t${good(s)}`], ...MALFORMED],
  ["a comma after the scheme", (s) => [`Authorization: Bearer,${good(s)}`], ...MALFORMED],
  ["something after the token", (s) => [`${bearer(good(s))} realm=x`], ...MALFORMED],
  ["a comma after the token", (s) => [`${bearer(good(s))},`], ...MALFORMED],
  ["white space in the token", (s) => [bearer(good(s).replace(".", ". "))], ...MALFORMED],
  ["a quoted token", (s) => [bearer(`"${good(s)}"`)], ...MALFORMED],
  ["an encoded dot", (s) => [bearer(good(s).replace(".", "%2E"))], ...MALFORMED],
  ["unicode", () => [bearer("tökén.päy.löad")], ...MALFORMED],
  ["full-width dots", (s) => [bearer(good(s).replaceAll(".", "．"))], ...MALFORMED],
  ["a zero-width space", (s) => [bearer(`\u200b${good(s)}`)], ...MALFORMED],
  ["a NUL byte", (s) => [bearer(`${good(s)}\0`)], ...ENVOY],
  ["a NUL byte in front", (s) => [`Authorization: \0Bearer ${good(s)}`], ...ENVOY],
  ["a carriage return", (s) => [`${bearer(good(s))}\rX-Heauth-Subject: doctor`], ...MALFORMED],
  [
    "a line feed and a header of heauth's",
    () => ["Authorization: Bearer x\nX-Heauth-Subject: doctor"],
    401,
    "Unauthenticated",
    "MalformedToken",
  ],
  ["a quoted cookie", (s) => [cookie(`"${good(s)}"`)], ...MALFORMED],
  ["an empty cookie", () => [cookie("")], ...NONE],
  ["a cookie without the prefix", (s) => [`Cookie: heauth-access=${good(s)}`], ...NONE],
  ["a cookie of another case", (s) => [`Cookie: __host-heauth-access=${good(s)}`], ...NONE],
  ["the refresh token's cookie alone", (s) => [`Cookie: __Host-heauth-refresh=${s.joy.login.refreshToken}`], ...NONE],
  ["another header", (s) => [`Proxy-Authorization: Bearer ${good(s)}`, `X-Authorization: Bearer ${good(s)}`], ...NONE],
  ["what only heauth says", () => ["X-Heauth-Subject: doctor", "X-Heauth-Roles: doctor"], ...NONE],
];
