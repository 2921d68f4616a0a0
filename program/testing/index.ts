export { createManualClock, type ManualClock } from "./manual-clock.ts";
export { ends } from "./process-end.ts";
