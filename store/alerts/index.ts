export {
  abandon,
  type DeliveryKind,
  type DeliveryName,
  type DueDelivery,
  deferToDigest,
  hastenDeliveries,
  markDelivered,
  markFailed,
  pruneAlertWindows,
  type ReceiverName,
  takeBudget,
  takeDueDeliveries,
} from "./deliveries.ts";
export { RUN_LENGTH } from "./from-records.ts";
export { type LedgerAlertReason, raiseLedgerAlert } from "./ledger-alert.ts";
export { type AlertDetails, type Occurrence, raiseAlerts } from "./raise.ts";
export { type RaisedAlert, type RaisedSince, raisedAlerts } from "./raised.ts";
