export { type Around, answerPod, injectionLevel, type PodAnswer, type PodPolicy } from "./answer-pod.ts";
export { labelRefusal } from "./label-change.ts";
export { podPatch } from "./patch.ts";
export type { Refusal, RefusalReason } from "./refusal.ts";
export { ephemeralRefusal, imageRefusal } from "./running-pod.ts";
export type { ConfigMapKey, InjectionSettings, Resources } from "./settings.ts";
