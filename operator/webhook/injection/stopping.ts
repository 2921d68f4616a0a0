import type { Container } from "./pod.ts";

/** What draining Envoy and shipping the last records may take, in seconds, on top of what the app needs. */
const MORE_GRACE = 15;
/** Kubernetes' own, where a pod names none, in seconds. */
const DEFAULT_GRACE = 30;
/** Connections still come in until every node knows that the pod goes, in seconds. */
const SLEEP = 5;

/** The grace period, in seconds. */
export function raisedGrace(grace: number | null): number {
  return (grace ?? DEFAULT_GRACE) + MORE_GRACE;
}

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
