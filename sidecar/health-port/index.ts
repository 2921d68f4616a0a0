export { createHealthPort, type HealthPortOptions } from "./health-port.ts";
export { type KubeletChecks, kubeletChecksText } from "./kubelet-checks.ts";
