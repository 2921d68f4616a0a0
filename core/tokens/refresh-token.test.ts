import { expect, test } from "@jest/globals";
import { isAuthentic, mintRefreshToken, parseRefreshToken } from "./refresh-token.ts";
import { SESSION, TENANT } from "./testing/session.ts";

const key = Buffer.alloc(32, 1);
const of = { tenant: TENANT, session: SESSION };
const good = mintRefreshToken(key, of, 41);

function authentic(token: string, withKey: Uint8Array = key): boolean {
  const parsed = parseRefreshToken(token);
  return parsed !== undefined && isAuthentic(parsed, withKey);
}

test("a minted token is read and authentic", () => {
  expect(parseRefreshToken(good)).toMatchObject({ tenant: TENANT, session: SESSION, number: 41 });
  expect(authentic(good)).toBe(true);
});

test("another session's key does not make it", () => {
  expect(authentic(good, Buffer.alloc(32, 2))).toBe(false);
});

test("no character that counts can be changed", () => {
  const macAt = good.lastIndexOf(".") + 1;
  for (let index = macAt; index < good.length; index++) {
    for (const other of ["A", "B", "_"]) {
      if (good[index] !== other) expect(authentic(good.slice(0, index) + other + good.slice(index + 1))).toBe(false);
    }
  }
  expect(authentic(good.replace(".41.", ".42."))).toBe(false);
});

test.each([
  ["empty", ""],
  ["without tenant", good.slice(37)],
  ["without number", good.replace(".41.", "..")],
  ["a negative number", good.replace(".41.", ".-1.")],
  ["a leading zero", good.replace(".41.", ".041.")],
  ["a float", good.replace(".41.", ".41.0.")],
  ["an exponent", good.replace(".41.", ".4e1.")],
  ["a number beyond what is exact", good.replace(".41.", ".9007199254740993.")],
  ["arabic digits", good.replace(".41.", ".٤١.")],
  ["upper case", good.toUpperCase()],
  ["a random session id", good.replace("-7", "-4").replace("-7", "-4")],
  ["a short MAC", good.slice(0, -1)],
  ["a long MAC", `${good}A`],
  ["padding", `${good}=`],
  ["white space", `${good} `],
  ["a line feed", `${good}\n`],
  ["a NUL byte", `${good}\0`],
  ["an access token's shape", "a.b.c"],
])("refuses %s", (_, token) => {
  expect(parseRefreshToken(token)).toBeUndefined();
});
