export { type FakeApi, type FakeRequest, json, kubeconfigText, startFakeApi, status } from "./fake-api.ts";
export { createManualClock, type ManualClock } from "./manual-clock.ts";
export { ends } from "./process-end.ts";
