import { readFile } from "node:fs/promises";
import type { InjectionSettings } from "@heauth/operator/webhook";
import { asError, ProgramError } from "@heauth/program";
import { parse } from "yaml";
import * as z from "zod";

/** As Kubernetes writes them: `250m`, `64Mi`. */
const quantity = z.string().regex(/^\d+(\.\d+)?([numkMGTPE]|[KMGTPE]i)?$/, "must be a quantity, such as 250m or 64Mi");
const quantities = z.record(z.string(), quantity);
const image = z.string().regex(/^\S+$/, "must be an image's name");
const port = z.int().min(1).max(65_535);
/** Never root: the redirection is by no user, but what they may read is. */
const id = z.int().min(1).max(2_147_483_647);

const resources = (requests: Record<string, string>, limits: Record<string, string>) =>
  z.strictObject({ requests: quantities.default(requests), limits: quantities.default(limits) }).prefault({});
const configMapKey = (key: string) =>
  z.strictObject({ name: z.string().min(1).default("heauth-trust"), key: z.string().min(1).default(key) }).prefault({});
const distinct = (values: object) => new Set(Object.values(values)).size === Object.values(values).length;

/** What stands in the file that `--injection` names; only the images have no default. */
const fileSchema = z.strictObject({
  images: z.strictObject({
    heauth: image,
    envoy: image,
    pullPolicy: z.enum(["Always", "IfNotPresent", "Never"]).default("IfNotPresent"),
  }),
  hub: z
    .string()
    .regex(/^https:\/\/[^/\s]+:\d{1,5}$/, "must be https://HOST:PORT")
    .optional(),
  hubCa: configMapKey("hub-ca.crt"),
  identityKeys: configMapKey("ledger-keys.json"),
  ids: z
    .strictObject({ sidecar: id.default(43_288), envoy: id.default(43_289), group: id.default(43_288) })
    .prefault({})
    .refine(({ sidecar, envoy }) => sidecar !== envoy, "the sidecar and Envoy must be different users"),
  ports: z
    .strictObject({ envoy: port.default(15_006), health: port.default(15_020) })
    .prefault({})
    .refine(distinct, "must be different ports"),
  walQuota: z.int().min(4).max(1_000_000).default(1024),
  walClaims: z.boolean().default(false),
  resources: z
    .strictObject({
      redirect: resources({ cpu: "10m", memory: "64Mi" }, { memory: "192Mi" }),
      heauth: resources({ cpu: "50m", memory: "128Mi" }, { memory: "512Mi" }),
      envoy: resources({ cpu: "50m", memory: "64Mi" }, { memory: "256Mi" }),
    })
    .prefault({}),
});

/**
 * What pods are injected with, from a YAML file.
 *
 * @param namespace heauth's own
 * @throws ProgramError InvalidConfig: one line with the file, the field, and what is wrong with it
 */
export async function readInjectionSettings(file: string, namespace: string): Promise<InjectionSettings> {
  const wrong = (message: string, cause?: unknown) =>
    new ProgramError("InvalidConfig", `injection ${file}: ${message}`.replaceAll("\n", " "), { cause });
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw wrong(`can't be read (${error.code})`, error);
  });
  const read = fileSchema.safeParse(document(text, wrong));
  if (!read.success) throw wrong(explained(read.error));
  const { hub = `https://heauth-hub.${namespace}.svc:443`, ...others } = read.data;
  return { ...others, hub, namespace };
}

function document(text: string, wrong: (message: string, cause?: unknown) => Error): unknown {
  try {
    return parse(text) ?? {};
  } catch (error) {
    throw wrong(asError(error).message.split("\n", 1)[0] ?? "is not YAML", error);
  }
}

function explained({ issues: [issue] }: z.ZodError): string {
  if (issue === undefined) return "is wrong";
  if (issue.code === "unrecognized_keys") return `${[...issue.path, issue.keys[0]].join(".")}: no such field`;
  const missing = issue.code === "invalid_type" && issue.message.endsWith("received undefined");
  return `${issue.path.join(".") || "the file"}: ${missing ? "is missing" : issue.message}`;
}
