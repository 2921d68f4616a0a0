// For those who tell a sidecar: it loads nothing but Node's own.
export { drainSidecar, type UnderWay, underWay } from "./ask.ts";
export type { Unshipped } from "./names.ts";
