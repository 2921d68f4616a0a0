import type { Container, Hook, Pod, Probe } from "./pod.ts";
import type { InjectionRecord } from "./record.ts";

const PROBES = { startupProbe: "startup", livenessProbe: "liveness", readinessProbe: "readiness" } as const;
const HOOKS = { postStart: "post-start", preStop: "pre-stop" } as const;
const fields = Object.keys(PROBES) as (keyof typeof PROBES)[];
const hooks = Object.keys(HOOKS) as (keyof typeof HOOKS)[];

/** What goes over the network: all else the kubelet does in the container. Of hooks it does HTTP only, and fails all that is TCP. */
const PROBE_CALLS = ["httpGet", "tcpSocket", "grpc"] as const;
const HOOK_CALLS = ["httpGet"] as const;
type Calls = readonly (typeof PROBE_CALLS)[number][];

type Replace = <H extends Probe | Hook>(handler: H, key: string, calls: Calls) => H;

/** The container with each of its probes and hooks replaced; `key` is `<container>/<kind>`, `calls` what goes over the network there. */
function withHandlers(container: Container, replace: Replace): Container {
  const changed = { ...container };
  for (const field of fields) {
    const probe = container[field];
    if (probe !== undefined) changed[field] = replace(probe, `${container.name}/${PROBES[field]}`, PROBE_CALLS);
  }
  if (container.lifecycle === undefined) return changed;
  const lifecycle = { ...container.lifecycle };
  for (const field of hooks) {
    const hook = lifecycle[field];
    if (hook !== undefined) lifecycle[field] = replace(hook, `${container.name}/${HOOKS[field]}`, HOOK_CALLS);
  }
  return { ...changed, lifecycle };
}

/** Where the sidecar serves a probe or a hook. */
function pathOf(key: string): string {
  return `/probe/${key}`;
}

/**
 * What the sidecar does in the kubelet's place, by key: one of httpGet, tcpSocket and grpc, its port a number, and a probe's
 * `timeoutSeconds`.
 */
export type Performed = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export interface Rewritten {
  readonly container: Container;
  readonly originals: InjectionRecord["handlers"];
  readonly performed: Performed;
}

/**
 * Has the kubelet ask the sidecar: what it asks itself would meet Envoy. Left alone is what is done in the container, what names a host of its
 * own, and what fails in any case: a hook by TCP, and a port by a name that the container does not have.
 */
function rewriteHandlers(container: Container, healthPort: number): Rewritten {
  const originals: InjectionRecord["handlers"] = {};
  const performed: Record<string, Record<string, unknown>> = {};
  const rewritten = withHandlers(container, (handler, key, calls) => {
    const call = networkCall(handler, calls, container);
    if (call === undefined) return handler;
    const { httpGet: _, tcpSocket: __, grpc: ___, ...others } = handler;
    const { timeoutSeconds } = handler;
    originals[key] = { [call.does]: handler[call.does] };
    performed[key] = {
      [call.does]: { ...handler[call.does], port: call.port },
      ...(timeoutSeconds !== undefined && { timeoutSeconds }),
    };
    const httpGet = { path: pathOf(key), port: healthPort, scheme: "HTTP" };
    return { ...others, httpGet } as unknown as typeof handler;
  });
  return { container: rewritten, originals, performed };
}

/** The ports that a container's probes and hooks go to. */
export function calledPorts(container: Container): number[] {
  const ports: number[] = [];
  withHandlers(container, (handler, _key, calls) => {
    const call = networkCall(handler, calls, container);
    if (call !== undefined) ports.push(call.port);
    return handler;
  });
  return ports;
}

function networkCall(handler: Probe | Hook, calls: Calls, { ports = [] }: Container) {
  const does = calls.find((each) => handler[each] !== undefined);
  if (does === undefined) return undefined;
  const { port: named, host } = handler[does] as { port: number | string; host?: string };
  if (host) return undefined;
  const port = typeof named === "number" ? named : ports.find(({ name }) => name === named)?.containerPort;
  return port === undefined ? undefined : { does, port };
}

/** The container as it was: what still asks the sidecar, and was recorded, asks the app again. */
export function restoreHandlers(container: Container, { handlers }: InjectionRecord): Container {
  return withHandlers(container, (handler, key) => {
    const original = Object.hasOwn(handlers, key) ? handlers[key] : undefined;
    if (original === undefined || handler.httpGet?.path !== pathOf(key)) return handler;
    const { httpGet: _, ...others } = handler;
    return { ...others, ...original } as unknown as typeof handler;
  });
}

/** All of a pod's. */
export function rewriteAll(pod: Pod, healthPort: number) {
  const rewrite = (containers: readonly Container[]) => containers.map((each) => rewriteHandlers(each, healthPort));
  const own = rewrite(pod.spec.initContainers ?? []);
  const apps = rewrite(pod.spec.containers);
  const all = [...own, ...apps];
  return {
    initContainers: own.map(({ container }) => container),
    containers: apps.map(({ container }) => container),
    originals: Object.assign({}, ...all.map(({ originals }) => originals)) as InjectionRecord["handlers"],
    performed: Object.assign({}, ...all.map(({ performed }) => performed)) as Performed,
  };
}
