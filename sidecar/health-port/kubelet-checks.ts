import * as z from "zod";

/** A probe's own time where it names none, as Kubernetes has it. */
const PROBE_SECONDS = 1;
/** The kubelet gives hooks no time of their own: a preStop may take as long as the pod has to stop. */
const HOOK_SECONDS = 3_600;

const PROBES = ["startup", "liveness", "readiness"];
const HOOKS = ["post-start", "pre-stop"];
const KEY = new RegExp(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?/(${[...PROBES, ...HOOKS].join("|")})$`);

const port = z.int().min(1).max(65_535);
const header = z.object({ name: z.string().regex(/^[-!#$%&'*+.^_`|~\w]+$/), value: z.string() });

const httpGet = z.object({
  path: z.string().default("/"),
  port,
  scheme: z.enum(["HTTP", "HTTPS"]).default("HTTP"),
  httpHeaders: z.array(header).max(100).nullish(),
});
const tcpSocket = z.object({ port });
const grpc = z.object({ port, service: z.string().nullish() });

const check = z
  .object({
    httpGet: httpGet.optional(),
    tcpSocket: tcpSocket.optional(),
    grpc: grpc.optional(),
    timeoutSeconds: z.int().min(1).optional(),
  })
  .refine(
    ({ httpGet, tcpSocket, grpc }) => [httpGet, tcpSocket, grpc].filter((each) => each !== undefined).length === 1,
    { error: "must have one of httpGet, tcpSocket and grpc" },
  );

export type HttpGet = z.output<typeof httpGet>;
export type TcpSocket = z.output<typeof tcpSocket>;
export type Grpc = z.output<typeof grpc>;

/** What the kubelet would do over the network, by `<container>/<kind>`. */
export type KubeletChecks = Readonly<Record<string, z.output<typeof check>>>;

/** One of them, with what its kind means. */
export type KubeletCheck = KubeletChecks[string] & {
  readonly isHook: boolean;
  readonly timeoutMs: number;
};

/** As the webhook writes them: JSON. */
export const kubeletChecksText = z
  .string()
  .transform(parsed)
  .pipe(z.record(z.string().regex(KEY), check));

/** The check of that name. */
export function checkOf(checks: KubeletChecks, key: string): KubeletCheck | undefined {
  const recorded = Object.hasOwn(checks, key) ? checks[key] : undefined;
  if (recorded === undefined) return undefined;
  const isHook = HOOKS.some((kind) => key.endsWith(`/${kind}`));
  const timeoutMs = 1_000 * (isHook ? HOOK_SECONDS : (recorded.timeoutSeconds ?? PROBE_SECONDS));
  return { ...recorded, isHook, timeoutMs };
}

function parsed(text: string, context: z.RefinementCtx): unknown {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: "custom", message: "must be JSON" });
    return z.NEVER;
  }
}
