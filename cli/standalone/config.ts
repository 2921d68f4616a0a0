import { commonSettings, type HostPort, hostPort, setting } from "@heauth/program";
import * as z from "zod";
import { POSTGRES_URL } from "../cluster/settings.ts";

/** One protected app: which policy, where Envoy listens, where the app is. */
export interface ProtectedApp {
  readonly namespace: string;
  readonly policy: string;
  /** Port 0 takes a free one. */
  readonly listen: HostPort;
  /** `http://HOST:PORT` */
  readonly upstream: URL;
}

const FORM = /^(?<namespace>[^/=]+)\/(?<policy>[^/=]+)=(?<listen>[^,]+),(?<upstream>.+)$/;
const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/; // RFC 1123 label

/** `NAMESPACE/POLICY=HOST:PORT,UPSTREAM_URL` */
export function protectedApp() {
  return z.string().transform((text, context): ProtectedApp => {
    const refuse = (message: string) => {
      context.issues.push({ code: "custom", message, input: text });
      return z.NEVER;
    };
    const { namespace = "", policy = "", listen = "", upstream = "" } = FORM.exec(text)?.groups ?? {};
    if (!NAME.test(namespace) || !NAME.test(policy)) return refuse("must be NAMESPACE/POLICY=HOST:PORT,UPSTREAM_URL");
    const address = hostPort().safeParse(listen);
    if (!address.success) return refuse(`the listener "${listen}" must be HOST:PORT`);
    const url = URL.parse(upstream);
    if (url?.protocol !== "http:" || url.pathname !== "/" || url.search !== "" || url.username !== "") {
      return refuse(`the app "${upstream}" must be http://HOST:PORT`);
    }
    return { namespace, policy, listen: address.data, upstream: url };
  });
}

/** The settings of `heauth standalone`. */
export const standaloneSettings = z.object({
  ...commonSettings,
  resources: setting(z.string().min(1), {
    description: "Folder of Tenant, AuthPolicy and Secret files (YAML); it is watched.",
    example: "./resources",
  }),
  data: setting(z.string().min(1), {
    description: "Folder of everything that must survive a restart: database, write-ahead logs, keys, anchors.",
    example: "./data",
  }),
  identity: setting(hostPort(), {
    description: "Where the identity API listens; port 0 takes a free one.",
    example: "127.0.0.1:8440",
  }),
  protect: setting(
    z.array(protectedApp()).refine(areDistinct, "each policy and each listener stands once").default([]),
    {
      description:
        "An app to protect: NAMESPACE/POLICY=HOST:PORT,UPSTREAM_URL. Envoy listens on HOST:PORT. Once for each app.",
      example: "clinic/web=127.0.0.1:8081,http://127.0.0.1:8080",
    },
  ),
  database: setting(z.string().regex(POSTGRES_URL, "must be a postgresql:// URL").optional(), {
    description: "A PostgreSQL of your own instead of the embedded one; its user must be able to create roles.",
    example: "postgresql://heauth@127.0.0.1:5432/heauth",
    holds: "url",
  }),
  issuer: setting(z.url({ protocol: /^https?$/ }).default("https://heauth.local"), {
    description: "`iss` of every token; access tokens of another issuer are refused.",
    example: "https://auth.example.org",
  }),
  tenantRegistration: setting(z.boolean().default(true), {
    description: "Whether `POST /tenant` registers tenants that manage themselves by the API.",
    example: "false",
  }),
});

export type StandaloneConfig = z.output<typeof standaloneSettings>;

function areDistinct(apps: readonly ProtectedApp[]): boolean {
  const names = apps.map(({ namespace, policy }) => `${namespace}/${policy}`);
  const listeners = apps.filter(({ listen }) => listen.port !== 0).map(({ listen }) => `${listen.host}:${listen.port}`);
  return new Set(names).size === names.length && new Set(listeners).size === listeners.length;
}
