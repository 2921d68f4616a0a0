import { readConfig } from "@heauth/program";
import { expect, test } from "@jest/globals";
import { protectedApp, standaloneSettings } from "./config.ts";

const flags = { resources: "r", data: "d", identity: "[::1]:0" };
const configured = (more: Record<string, unknown>) =>
  readConfig(standaloneSettings, { flags: { ...flags, ...more }, environment: {} }).values;

test("a protected app is read from one option", () => {
  expect(protectedApp().parse("clinic/web=127.0.0.1:8081,http://127.0.0.1:8080")).toEqual({
    namespace: "clinic",
    policy: "web",
    listen: { host: "127.0.0.1", port: 8081 },
    upstream: new URL("http://127.0.0.1:8080"),
  });
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
])("%p is refused in one line that names the option and shows the form", (value) => {
  expect(() => configured({ protect: value })).toThrow(/^protect .*for example clinic\/web=.*--protect/);
});

test("the same policy or listener twice is refused", () => {
  const app = "clinic/web=127.0.0.1:8081,http://127.0.0.1:8080";
  expect(() => configured({ protect: [app, app] })).toThrow("each policy and each listener stands once");
  expect(() => configured({ protect: [app, app.replace("web", "other")] })).toThrow("stands once");
  expect(configured({ protect: [app, app.replace("web", "other").replace("8081", "8082")] }).protect).toHaveLength(2);
});

test("what is needed and missing is named", () => {
  expect(() => readConfig(standaloneSettings, { flags: {}, environment: {} })).toThrow(/resources.*--resources/);
});
