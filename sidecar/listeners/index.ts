export { ListenersFile } from "./listeners-file.ts";
export { type PodBootstrap, type PodListeners, podBootstrap, podListeners } from "./pod.ts";
export { type StandaloneBootstrap, standaloneBootstrap } from "./standalone.ts";
