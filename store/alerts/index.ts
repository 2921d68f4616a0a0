export { RUN_LENGTH } from "./from-records.ts";
export { type AlertDetails, type Occurrence, raiseAlerts } from "./raise.ts";
