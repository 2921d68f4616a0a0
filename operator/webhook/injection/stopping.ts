import type { Container } from "./pod.ts";

/** What draining Envoy and shipping the last records may take, in seconds, on top of what the app needs. */
const MORE_GRACE = 15;
/** Of those: what is left for the sidecar's end when the waiting for everything under way is over. */
const LEFT_FOR_THE_END = 10;
/** What the sidecar takes of them at most, before it is killed. */
const END = 8;
/** Kubernetes' own, where a pod names none, in seconds. */
const DEFAULT_GRACE = 30;
/** Connections still come in until every node knows that the pod goes, in seconds. */
const SLEEP = 5;

/** The grace period, in seconds. */
export function raisedGrace(grace: number | null): number {
  return (grace ?? DEFAULT_GRACE) + MORE_GRACE;
}

/** How long `heauth drain` may wait, in seconds, as a flag's value: as long as the app may stop, and a little longer. */
export function drainWithin(grace: number | null): string {
  return `${raisedGrace(grace) - LEFT_FOR_THE_END}`;
}

/** How long the sidecar may take to end, as a flag's value. */
export const stopWithin = `${END}s`;

/** Without a preStop of its own, a container waits a little before it is told to stop. */
export function needsSleep({ lifecycle }: Container): boolean {
  return lifecycle?.preStop === undefined;
}

export function withSleep(container: Container): Container {
  return { ...container, lifecycle: { ...container.lifecycle, preStop: { sleep: { seconds: SLEEP } } } };
}

/** Takes the waiting away again. */
export function withoutSleep(container: Container): Container {
  const { preStop, ...others } = container.lifecycle ?? {};
  if (preStop?.sleep?.seconds !== SLEEP) return container;
  const { lifecycle: _, ...rest } = container;
  return Object.keys(others).length === 0 ? rest : { ...rest, lifecycle: others };
}
