import { expect, test } from "@jest/globals";
import { checkDistinct, parseHostPort, parseProtect } from "./options.ts";

test("a protected app is read from one option", () => {
  expect(parseProtect("clinic/web=127.0.0.1:8081,http://127.0.0.1:8080")).toEqual({
    namespace: "clinic",
    policy: "web",
    listen: { host: "127.0.0.1", port: 8081 },
    upstream: new URL("http://127.0.0.1:8080"),
  });
  expect(parseHostPort("[::1]:80", "--identity")).toEqual({ host: "::1", port: 80 });
});

test.each([
  "",
  "clinic=127.0.0.1:1,http://a",
  "Clinic/web=127.0.0.1:1,http://a",
  "clinic/web=127.0.0.1,http://a",
  "clinic/web=127.0.0.1:99999,http://a",
  "clinic/web=127.0.0.1:1,ftp://a",
  "clinic/web=127.0.0.1:1,http://a/path",
  "clinic/web=127.0.0.1:1,nonsense",
])("%p is refused with the form that is expected", (value) => {
  expect(() => parseProtect(value)).toThrow(/--protect: .*for example/);
});

test("the same policy or listener twice is refused", () => {
  const app = parseProtect("clinic/web=127.0.0.1:8081,http://127.0.0.1:8080");
  expect(() => checkDistinct([app, app])).toThrow("--protect: clinic/web is given twice");
  expect(() => checkDistinct([app, { ...app, policy: "other" }])).toThrow("127.0.0.1:8081 is given twice");
});
