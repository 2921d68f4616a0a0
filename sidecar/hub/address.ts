import { X509Certificate } from "node:crypto";
import type { Logger, RotatingFiles } from "@heauth/program";
import { createRotatingFiles } from "@heauth/program";

/** Where the hub is, and by what we and it know each other. */
export interface HubAddress {
  /** gRPC target. */
  readonly target: string;
  /** On the network only: on a unix socket, its file permissions are the proof. */
  readonly network?: {
    /** Certificate authorities that vouch for the hub (PEM). */
    readonly authorities: RotatingFiles<Buffer>;
    /** The pod's projected service account token for the hub. */
    readonly token: RotatingFiles<string>;
  };
}

export interface HubSettings {
  /** `unix:/…` or `https://HOST:PORT`. */
  readonly hub: string;
  readonly hubCa?: string | undefined;
  readonly hubToken?: string | undefined;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*(?:-----END CERTIFICATE-----)?/g;

/** The files are read when the address's parts are started, and again when they are replaced. */
export function hubAddress({ hub, hubCa = "", hubToken = "" }: HubSettings, log: Logger): HubAddress {
  if (hub.startsWith("unix:")) return { target: hub };
  const { hostname, port } = new URL(hub);
  const authorities = createRotatingFiles({
    name: "CA of the hub",
    files: [hubCa],
    parse: ([pem = Buffer.of()]) => {
      const certificates = String(pem).match(CERTIFICATE) ?? [];
      if (certificates.length === 0) throw new Error("there is no certificate in it");
      for (const each of certificates) new X509Certificate(each);
      return pem;
    },
    log,
  });
  const token = createRotatingFiles({
    name: "token for the hub",
    files: [hubToken],
    parse: ([bytes]) => {
      const text = String(bytes).trim();
      if (!/^[\w.~+/-]+=*$/.test(text)) throw new Error("there is no token in it");
      return text;
    },
    log,
  });
  return { target: `dns:${hostname}:${port || 443}`, network: { authorities, token } };
}
