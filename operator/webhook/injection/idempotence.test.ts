import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { inject } from "./inject.ts";
import { INJECTED_ANNOTATION } from "./names.ts";
import { type Pod, readPod } from "./pod.ts";
import { restored } from "./restore.ts";
import { settings } from "./testing/pods.ts";

const port = fc.oneof(fc.integer({ min: 1, max: 65_535 }), fc.constantFrom("http", "nope"));
const host = fc.option(fc.constantFrom("", "example.org"), { nil: undefined });
const handler = fc.oneof(
  fc.record({ exec: fc.constant({ command: ["true"] }) }),
  fc.record({ httpGet: fc.record({ path: fc.webPath(), port, host }, { requiredKeys: ["port"] }) }),
  fc.record({ tcpSocket: fc.record({ port, host }, { requiredKeys: ["port"] }) }),
);
const grpc = fc.record({ grpc: fc.record({ port: fc.integer({ min: 1, max: 65_535 }) }) });
const probe = fc
  .tuple(
    fc.oneof(handler, grpc),
    fc.record({ timeoutSeconds: fc.nat(60), periodSeconds: fc.nat(60) }, { requiredKeys: [] }),
  )
  .map(([does, times]) => ({ ...does, ...times }));
const hook = fc.oneof(handler, fc.record({ sleep: fc.record({ seconds: fc.constantFrom(1, 5) }) }));
const container = (name: string) =>
  fc.record(
    {
      name: fc.constant(name),
      image: fc.constant("app"),
      ports: fc.constant([{ name: "http", containerPort: 8080 }]),
      startupProbe: probe,
      livenessProbe: probe,
      readinessProbe: probe,
      lifecycle: fc
        .record({ postStart: hook, preStop: hook }, { requiredKeys: [] })
        .filter((hooks) => Object.keys(hooks).length > 0),
      resources: fc.constantFrom({}, { limits: { "ephemeral-storage": "1Gi" } }),
      securityContext: fc.constantFrom({}, { runAsUser: 1000 }, { privileged: true }, { runAsUser: 43_288 }),
    },
    { requiredKeys: ["name", "image"] },
  );
const some = (...names: string[]) => fc.tuple(...names.map(container)).chain((all) => fc.subarray(all));

/** Pods of all kinds; a few with annotations that say what is not so. */
const pods = fc.record({
  metadata: fc.record(
    {
      name: fc.constant("web"),
      labels: fc.constant({ app: "web" }),
      annotations: fc.constantFrom<Record<string, string>>(
        {},
        { note: "x" },
        { [INJECTED_ANNOTATION]: "{" },
        { [INJECTED_ANNOTATION]: '{"v":1,"handlers":{"a/liveness":{"exec":{}}},"sleeps":["a","b"],"grace":15}' },
      ),
    },
    { requiredKeys: ["name"] },
  ),
  spec: fc.record(
    {
      containers: fc.tuple(container("a"), some("b", "c")).map(([first, others]) => [first, ...others]),
      initContainers: some("i", "j"),
      volumes: fc.constantFrom([], [{ name: "data", emptyDir: {} }]),
      terminationGracePeriodSeconds: fc.constantFrom(0, 15, 30, 45),
    },
    { requiredKeys: ["containers"] },
  ),
});

test("injecting twice is injecting once, and changes nothing that was given", () => {
  let injections = 0;
  fc.assert(
    fc.property(pods, (object) => {
      const given = readPod(object) as Pod;
      const before = structuredClone(given);
      const once = inject(given, settings);
      expect(given).toEqual(before);
      if ("refusal" in once) return;
      injections++;
      expect(inject(once.pod, settings)).toEqual({ pod: once.pod, isChanged: false });
      // As it comes back from the API server: another object, its fields in another order.
      const again = readPod(JSON.parse(JSON.stringify(once.pod, sortedKeys))) as Pod;
      expect(inject(again, settings)).toEqual({ pod: once.pod, isChanged: false });
    }),
    { numRuns: 300 },
  );
  expect(injections).toBeGreaterThan(50);
});

test("what was taken from an honest pod is all in its record", () => {
  fc.assert(
    fc.property(pods, (object) => {
      const { annotations = {}, ...metadata } = object.metadata;
      const { [INJECTED_ANNOTATION]: _, ...honest } = annotations;
      const given = readPod({ ...object, metadata: { ...metadata, annotations: honest } }) as Pod;
      const once = inject(given, settings);
      if ("refusal" in once) return;
      const { initContainers = [], volumes = [], ...spec } = given.spec;
      expect(restored(once.pod)).toEqual({ ...given, spec: { ...spec, initContainers, volumes } });
    }),
    { numRuns: 300 },
  );
});

function sortedKeys(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? 1 : -1)));
}
