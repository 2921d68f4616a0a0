import { features } from "@heauth/core/policy";
import { expect, test } from "@jest/globals";
import { featuresOutsidePods, misfitInPod, misfitOutsidePods } from "./misfit.ts";
import { preparedPolicy } from "./testing/policy.ts";

const letThrough = (...passthroughPorts: number[]) => preparedPolicy({ spec: { passthroughPorts } }).policy;

test("a sidecar whose Envoy is another's lacks what that Envoy would have to do", () => {
  expect(misfitOutsidePods(letThrough())).toBeUndefined();
  expect(misfitOutsidePods(letThrough(5432))).toMatchObject({ missingFeatures: ["passthrough-ports"] });
  expect(features).toEqual(expect.arrayContaining([...featuresOutsidePods, "passthrough-ports"]));
  expect(featuresOutsidePods).toHaveLength(features.length - 1);
});

test("in a pod heauth's own ports are nobody's", () => {
  const own = [15_006, 15_020];
  expect(misfitInPod(letThrough(5432), own)).toBeUndefined();
  expect(misfitInPod(letThrough(5432, 15_020), own)?.message).toMatch(/^port 15020 is heauth's own/);
  const { policy } = preparedPolicy({ spec: { ports: [{ port: 15_006, protocol: "HTTP" }] } });
  expect(misfitInPod(policy, own)?.message).toMatch(/^port 15006 is heauth's own/);
});
