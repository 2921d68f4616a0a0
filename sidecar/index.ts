export { createSidecar, type SidecarParts } from "./app.ts";
export { type SidecarConfig, sidecarSettings } from "./config.ts";
export { runSidecar } from "./main.ts";
