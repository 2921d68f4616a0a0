export { adminSocketIn, askEnvoy, type EnvoyAnswer } from "./envoy-admin.ts";
export type { TellListening } from "./listening.ts";
export { createPodEnvoy, type PodEnvoy, type PodEnvoyOptions, type ShownPolicy } from "./pod-envoy.ts";
export { type StandaloneBootstrap, standaloneBootstrap } from "./standalone.ts";
