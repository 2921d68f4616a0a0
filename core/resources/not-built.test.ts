import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { authPolicyNotBuilt, tenantNotBuilt } from "./not-built.ts";

test.each([...tenantNotBuilt, ...authPolicyNotBuilt].map(({ field }) => field))("the changelog names %s", (field) => {
  const changelog = readFileSync(new URL("../../CHANGELOG.md", import.meta.url), "utf8");
  const refused = changelog.slice(changelog.indexOf("### Not built yet"));
  // A field that is refused with one value only stands there as `field: Value`.
  expect(refused).toMatch(new RegExp(`\`${field.replace(/[.[\]]/g, "\\$&")}[\`:]`));
});
