import { expect, test } from "@jest/globals";
import { cookieValues, setCookie, withoutCookies } from "./cookies.ts";
import { readCredential } from "./credential.ts";

const both = ["AuthorizationHeader", "Cookie"] as const;
const name = "__Host-heauth-access";
const bearer = (token: string) => ({ kind: "Credential", source: "AuthorizationHeader", token });
const cookie = (token: string) => ({ kind: "Credential", source: "Cookie", token });
const refused = (reason: string) => ({ kind: "Refused", reason });
const none = { kind: "None" };

test.each<[string, authorization: string[], cookie: string[], expected: object]>([
  ["nothing", [], [], none],
  ["a bearer token", ["Bearer a.b.c"], [], bearer("a.b.c")],
  ["lower-case bearer", ["bearer a.b.c"], [], bearer("a.b.c")],
  ["upper-case bearer", ["BEARER a.b.c"], [], bearer("a.b.c")],
  ["several spaces", ["Bearer   a.b.c"], [], bearer("a.b.c")],
  ["another scheme", ["Basic dXNlcjpwYXNz"], [], none],
  ["a scheme that begins alike", ["BearerX a.b.c"], [], none],
  ["an empty header", [""], [], none],
  ["bearer alone", ["Bearer"], [], refused("MalformedCredential")],
  ["bearer and a space", ["Bearer "], [], refused("MalformedCredential")],
  ["a tab after bearer", ["Bearer\ta.b.c"], [], refused("MalformedCredential")],
  ["a comma after bearer", ["Bearer,a.b.c"], [], refused("MalformedCredential")],
  ["a NUL byte", ["Bearer a.b\0.c"], [], refused("MalformedCredential")],
  ["a line feed", ["Bearer a.b\n.c"], [], refused("MalformedCredential")],
  ["white space in the token", ["Bearer a.b .c"], [], refused("MalformedCredential")],
  ["white space behind the token", ["Bearer a.b.c "], [], refused("MalformedCredential")],
  ["a quoted token", ['Bearer "a.b.c"'], [], refused("MalformedCredential")],
  ["unicode", ["Bearer ä.ö.ü"], [], refused("MalformedCredential")],
  ["a parameter", ["Bearer token=a.b.c"], [], refused("MalformedCredential")],
  ["8 KiB", [`Bearer ${"a".repeat(8192)}`], [], bearer("a".repeat(8192))],
  ["over 8 KiB", [`Bearer ${"a".repeat(8193)}`], [], refused("OversizeCredential")],
  ["two headers", ["Bearer a.b.c", "Bearer a.b.c"], [], refused("DuplicateCredential")],
  ["two headers, one of another scheme", ["Bearer a.b.c", "Basic eA"], [], refused("DuplicateCredential")],
  ["two in one header", ["Bearer a.b.c, Bearer d.e.f"], [], refused("DuplicateCredential")],
  ["two in one header without space", ["Bearer a.b.c,Bearer d.e.f"], [], refused("DuplicateCredential")],
  ["a cookie", [], [`${name}=a.b.c`], cookie("a.b.c")],
  ["a cookie among others", [], [`x=1; ${name}=a.b.c; y=2`], cookie("a.b.c")],
  ["a cookie without spaces", [], [`x=1;${name}=a.b.c;y=2`], cookie("a.b.c")],
  ["a cookie in the second header", [], ["x=1", `${name}=a.b.c`], cookie("a.b.c")],
  ["a cookie with a tab", [], [`x=1;\t${name}=a.b.c\t`], cookie("a.b.c")],
  ["an empty cookie", [], [`${name}=`], none],
  ["a cookie of another case", [], [`${name.toLowerCase()}=a.b.c`], none],
  ["a cookie with a longer name", [], [`x${name}=a.b.c; ${name}2=d`], none],
  ["a name without value", [], [name], none],
  ["the name as another's value", [], [`x="; ${name}x=1`], none],
  ["a quoted cookie", [], [`${name}="a.b.c"`], refused("MalformedCredential")],
  ["a cookie with an inner space", [], [`${name}=a b`], refused("MalformedCredential")],
  ["a percent-encoded cookie", [], [`${name}=a%2eb`], refused("MalformedCredential")],
  ["a huge cookie", [], [`${name}=${"a".repeat(8193)}`], refused("OversizeCredential")],
  ["the cookie twice", [], [`${name}=a.b.c; ${name}=a.b.c`], refused("DuplicateCredential")],
  ["the cookie twice, once empty", [], [`${name}=; ${name}=a.b.c`], refused("DuplicateCredential")],
  ["the cookie in two headers", [], [`${name}=a.b.c`, `${name}=d`], refused("DuplicateCredential")],
  ["both sources", ["Bearer a.b.c"], [`${name}=a.b.c`], refused("DuplicateCredential")],
  ["both sources, the header of another scheme", ["Basic eA"], [`${name}=a.b.c`], refused("DuplicateCredential")],
])("%s", (_, authorization, cookies, expected) => {
  expect(readCredential({ authorization, cookie: cookies }, both)).toEqual(expected);
});

test("a source that is not accepted is not looked at", () => {
  const headers = { authorization: ["Bearer a.b.c"], cookie: [`${name}=d.e.f`] };
  expect(readCredential(headers, ["AuthorizationHeader"])).toEqual(bearer("a.b.c"));
  expect(readCredential(headers, ["Cookie"])).toEqual(cookie("d.e.f"));
  expect(readCredential(headers, [])).toEqual(none);
});

test("a cookie is bound to the host, and out of scripts' reach", () => {
  expect(setCookie("__Host-x", "v", 60)).toBe("__Host-x=v; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax");
  expect(cookieValues(["a=1; a=2; b=3=4"], "a")).toEqual(["1", "2"]);
  expect(cookieValues(["a=1; b=3=4"], "b")).toEqual(["3=4"]);
});

test.each([
  ["a=1; b=2", "a=1; b=2"],
  ["H=t", ""],
  ["a=1; H=t; b=2", "a=1; b=2"],
  ["H=t; a=1", "a=1"],
  ["a=1;H=t ; R=u", "a=1"],
  ["a=1,H=t,R=u,b=2", "a=1,b=2"],
  ["H=t, a=1", "a=1"],
  ['a="1, 2"; xH=t', 'a="1, 2"; xH=t'],
  ["", ""],
])("of the cookies %j the app gets %j", (sent, kept) => {
  expect(withoutCookies(sent, ["H", "R"])).toBe(kept);
});
