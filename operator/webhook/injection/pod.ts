import * as z from "zod";

const port = z.union([z.int(), z.string()]);
const httpGet = z.looseObject({
  path: z.string().optional(),
  port,
  host: z.string().optional(),
  scheme: z.string().optional(),
  httpHeaders: z.array(z.unknown()).optional(),
});
const tcpSocket = z.looseObject({ port, host: z.string().optional() });
const grpc = z.looseObject({ port: z.int(), service: z.string().nullish() });
const sleep = z.looseObject({ seconds: z.int() });
const handler = {
  exec: z.looseObject({}).optional(),
  httpGet: httpGet.optional(),
  tcpSocket: tcpSocket.optional(),
  grpc: grpc.optional(),
  sleep: sleep.optional(),
};
const hook = z.looseObject(handler);
const probe = z.looseObject({ ...handler, timeoutSeconds: z.int().optional() });

const securityContext = z.looseObject({
  privileged: z.boolean().optional(),
  runAsUser: z.int().optional(),
  capabilities: z.looseObject({ add: z.array(z.string()).optional() }).optional(),
});

const container = z.looseObject({
  name: z.string(),
  image: z.string().optional(),
  /** Of a debugging container. */
  targetContainerName: z.string().optional(),
  restartPolicy: z.string().optional(),
  ports: z.array(z.looseObject({ name: z.string().optional(), containerPort: z.int() })).optional(),
  startupProbe: probe.optional(),
  livenessProbe: probe.optional(),
  readinessProbe: probe.optional(),
  lifecycle: z.looseObject({ postStart: hook.optional(), preStop: hook.optional() }).optional(),
  resources: z.looseObject({ limits: z.record(z.string(), z.unknown()).optional() }).optional(),
  securityContext: securityContext.optional(),
  volumeMounts: z.array(z.looseObject({ name: z.string() })).optional(),
  volumeDevices: z.array(z.looseObject({ name: z.string() })).optional(),
});

const source = z.looseObject({ serviceAccountToken: z.looseObject({ audience: z.string().optional() }).optional() });
const volume = z.looseObject({
  name: z.string(),
  projected: z.looseObject({ sources: z.array(source).nullish() }).optional(),
  persistentVolumeClaim: z.looseObject({ claimName: z.string(), readOnly: z.boolean().optional() }).optional(),
  ephemeral: z.looseObject({}).optional(),
});

const labels = z.record(z.string(), z.string());

/** core/v1 Pod, as far as injection looks at it; all else stays as it is. */
const podSchema = z.looseObject({
  metadata: z.looseObject({
    name: z.string().optional(),
    generateName: z.string().optional(),
    labels: labels.optional(),
    annotations: labels.optional(),
  }),
  spec: z.looseObject({
    initContainers: z.array(container).optional(),
    containers: z.array(container),
    ephemeralContainers: z.array(container).optional(),
    volumes: z.array(volume).optional(),
    hostNetwork: z.boolean().optional(),
    hostPID: z.boolean().optional(),
    shareProcessNamespace: z.boolean().optional(),
    terminationGracePeriodSeconds: z.int().optional(),
    os: z.looseObject({ name: z.string() }).optional(),
    nodeSelector: labels.optional(),
    securityContext: securityContext.extend({ fsGroup: z.int().optional() }).optional(),
  }),
});

export type Pod = z.output<typeof podSchema>;
export type Container = z.output<typeof container>;
export type Volume = z.output<typeof volume>;
export type Probe = z.output<typeof probe>;
export type Hook = z.output<typeof hook>;

/** A pod as the API server sends it; undefined where it is none. */
export function readPod(object: unknown): Pod | undefined {
  return podSchema.safeParse(object).data;
}

/** Every container that isn't a debugging one. */
export function containersOf({ spec }: Pod): readonly Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers];
}
