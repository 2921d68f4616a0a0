import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { renderDocument } from "./render.ts";

const checkedIn = readFileSync(new URL("./openapi.json", import.meta.url), "utf8");

test("the OpenAPI document that is checked in is that of the code: npm run generate", async () => {
  expect(await renderDocument()).toBe(checkedIn);
});

test("every operation has a name, says what it answers, and refuses unknown fields", () => {
  const { paths } = JSON.parse(checkedIn);
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods as Record<string, Operation>).map(([method, operation]) => ({ path, method, operation })),
  );
  expect(operations.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([
    "delete /user/{login}",
    "get /healthz",
    "get /readyz",
    "get /user",
    "post /auth",
    "post /auth/logout",
    "post /auth/refresh",
    "post /auth/verify",
    "post /tenant",
    "post /tenant/login",
    "post /tenant/logout",
    "post /tenant/verify",
    "post /user",
  ]);
  for (const { operation } of operations) {
    expect(operation).toMatchObject({ operationId: expect.any(String), summary: expect.any(String) });
    for (const [status, response] of Object.entries(operation.responses)) {
      const type =
        Number(status) >= 400 && operation.tags[0] !== "probes" ? "application/problem+json" : "application/json";
      expect(Object.keys(response.content)).toEqual([type]);
    }
    const body = operation.requestBody?.content["application/json"]?.schema;
    if (body !== undefined) expect(JSON.stringify(body)).toContain('"additionalProperties":false');
  }
});

interface Operation {
  readonly tags: string[];
  readonly responses: Record<string, { content: Record<string, unknown> }>;
  readonly requestBody?: { content: Record<string, { schema: unknown }> };
}
