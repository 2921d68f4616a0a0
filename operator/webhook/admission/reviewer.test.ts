import { authPolicy, changed, invalidResources, tenant } from "@heauth/core/resources/testing";
import { createLogs, createMetrics } from "@heauth/program";
import { type ClusterClient, ClusterError } from "@heauth/program/kubernetes";
import { expect, test } from "@jest/globals";
import { reviewOf } from "../testing/review-of.ts";
import { createReviewer } from "./reviewer.ts";

const { log } = createLogs({ program: "test", level: "silent" });
const metrics = createMetrics();
/** The API server is away: it costs the warnings, and nothing else. */
const away = { get: () => Promise.reject(new ClusterError("Unreachable", "connection refused")) };
const review = createReviewer({ client: away as unknown as ClusterClient, log, metrics });
const ask = async (...of: Parameters<typeof reviewOf>) => (await review(reviewOf(...of))).response;

interface Status {
  readonly message: string;
  readonly details: { readonly causes: readonly { readonly field: string; readonly message: string }[] };
}
const statusOf = ({ status }: { status?: object }) => status as Status;

test("what is valid is allowed, by the uid of the question", async () => {
  const uid = "705ab4f5-6393-11e8-b7cc-42010a800002";
  expect(await review(reviewOf(tenant))).toEqual({
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    response: { uid, allowed: true },
  });
  expect(await ask(authPolicy)).toEqual({ uid, allowed: true });
  expect(await ask(authPolicy, { dryRun: true })).toEqual({ uid, allowed: true });
});

test.each(invalidResources)("$name is refused with its field", async ({ resource, field, message }) => {
  const response = await ask(resource);
  const { message: said, details } = statusOf(response);
  expect(response).toMatchObject({ allowed: false, status: { code: 422, reason: "Invalid" } });
  expect(said).toContain(`${field}:`);
  expect(said).toContain(message);
  expect(details.causes.map((cause) => cause.field)).toContain(field);
});

test("all problems are told at once", async () => {
  const wrong = changed(changed(authPolicy, "spec.mode", "Audit"), "spec.ports.0.port", 0);
  const { message, details } = statusOf(await ask(wrong));
  expect(message).toBe(
    'spec.ports[0].port: 0 (Invalid) expected at least 1; spec.mode: "Audit" (Invalid) expected one of Enforce, Shadow',
  );
  expect(details.causes).toEqual([
    { reason: "FieldValueInvalid", field: "spec.ports[0].port", message: "0: expected at least 1" },
    { reason: "FieldValueInvalid", field: "spec.mode", message: '"Audit": expected one of Enforce, Shadow' },
  ]);
});

test("an answer stays small, however much is wrong", async () => {
  const spec = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`f${n}${"x".repeat(2_000)}`, n]));
  const response = await ask({ ...tenant, spec: { ...tenant.spec, ...spec } });
  expect(statusOf(response).message).toMatch(/; and 4980 more$/);
  expect(JSON.stringify(response).length).toBeLessThan(100_000);
});

test.each([
  ["a condition that is no CEL", "spec.rules.2.when", "request.method ==", "spec.rules[2].when", "CEL"],
  ["one of another type", "spec.rules.2.when", "session.subject", "spec.rules[2].when", "yields bool"],
  ["one over what is not declared", "spec.rules.2.when", "request.body == ''", "spec.rules[2].when", "CEL"],
  [
    "a path that is not normalised",
    "spec.rules.0.match.0.path.value",
    "/%61",
    "spec.rules[0].match[0].path.value",
    "its normalised form, /a",
  ],
])("%s is refused, whether its tenant is there or not", async (_, path, value, field, expected) => {
  const { message } = statusOf(await ask(changed(authPolicy, path, value)));
  expect(message).toContain(`${field}:`);
  expect(message).toContain(expected);
});

test("a change that is not allowed is refused, and only as a change", async () => {
  const moved = changed(authPolicy, "spec.tenantRef.name", "other");
  expect((await ask(moved)).allowed).toBe(true);
  const { message } = statusOf(await ask(moved, { operation: "UPDATE", old: authPolicy }));
  expect(message).toBe('spec.tenantRef.name: "other" (Forbidden) expected the same tenant as before');
});

test("what was stored before the rules were these can be labelled, released and deleted, but not changed into something as bad", async () => {
  const old = changed(tenant, "spec.registration", "Open");
  const released = changed(old, "metadata.finalizers", []);
  expect((await ask(released, { operation: "UPDATE", old })).allowed).toBe(true);
  expect((await ask(old, { operation: "DELETE", old })).allowed).toBe(true);
  const other = changed(old, "spec.displayName", "Another");
  expect((await ask(other, { operation: "UPDATE", old })).allowed).toBe(false);
  expect((await ask(tenant, { operation: "UPDATE", old })).allowed).toBe(true);
  expect((await ask(tenant, { operation: "UPDATE", old: { kind: "Tenant", spec: 7 } })).allowed).toBe(true);
});

test.each([
  ["another group", { kind: { group: "apps", version: "v1", kind: "Deployment" } }],
  ["another version", { kind: { group: "heauth.io", version: "v1", kind: "Tenant" } }],
  ["a status", { subResource: "status" }],
])("%s is refused: nothing passes that was not looked at", async (_, more) => {
  expect(statusOf(await ask(tenant, more)).message).toContain("expected a Tenant or AuthPolicy of heauth.io/v1alpha1");
});

const good = reviewOf(tenant);
test.each([
  ["nothing", undefined],
  ["null", null],
  ["a list", []],
  ["a text", "AdmissionReview"],
  ["the version before", { ...good, apiVersion: "admission.k8s.io/v1beta1" }],
  ["another kind", { ...good, kind: "TokenReview" }],
  ["no request", { ...good, request: undefined }],
  ["no uid", { ...good, request: { ...good.request, uid: "" } }],
  ["an unknown operation", { ...good, request: { ...good.request, operation: "PATCH" } }],
  ["an object that is none", { ...good, request: { ...good.request, object: "x" } }],
  ["a kind that is none", { ...good, request: { ...good.request, kind: "Tenant" } }],
])("%s is no question", async (_, body) => {
  await expect(review(body)).rejects.toMatchObject({ code: "ReviewUnreadable" });
});

test("a resource of any shape gets an answer", async () => {
  const deep = JSON.parse(`${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`);
  for (const spec of [null, 0, "", [], deep, { rules: deep }, { audiences: deep }]) {
    for (const kind of ["Tenant", "AuthPolicy"] as const) {
      expect((await ask({ ...tenant, kind, spec })).allowed).toBe(false);
    }
  }
});

test("decisions are counted", async () => {
  expect(await metrics.text()).toMatch(/^heauth_admission_reviews_total\{kind="Tenant",decision="Deny"\} [1-9]/m);
  expect(await metrics.text()).toMatch(/^heauth_admission_review_seconds_count\{kind="AuthPolicy"\} [1-9]/m);
});
