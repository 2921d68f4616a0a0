import { expect, test } from "@jest/globals";
import { keptResource } from "./kept-resource.ts";

const metadata = { name: "acme", uid: "u", resourceVersion: "7", annotations: { note: "x" } };

test("which tenant a resource is, its status says", () => {
  const tenantId = "01920000-0000-7000-8000-000000000001";
  expect(keptResource("Tenant")({ metadata, status: { tenantId } }).meta.tenantId).toBe(tenantId);
  expect(keptResource("Tenant")({ metadata }).meta).not.toHaveProperty("tenantId");
});
