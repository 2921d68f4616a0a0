import { CliError } from "../errors.ts";

export interface HostPort {
  host: string;
  /** 0: a free one is taken. */
  port: number;
}

/** One protected app: which policy, where Envoy listens, where the app is. */
export interface Protected {
  namespace: string;
  policy: string;
  listen: HostPort;
  upstream: URL;
}

const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/; // RFC 1123 label

/**
 * Parses `HOST:PORT`; an IPv6 host stands in brackets.
 * @throws CliError InvalidOption
 */
export function parseHostPort(value: string, option: string): HostPort {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]+):(\d{1,5})$/.exec(value);
  const port = Number(match?.[2]);
  if (!match?.[1] || port > 65535) {
    throw new CliError("InvalidOption", `${option}: "${value}" is not HOST:PORT, for example 127.0.0.1:8443`);
  }
  return { host: match[1].replace(/^\[|\]$/g, ""), port };
}

/**
 * Parses `NAMESPACE/POLICY=HOST:PORT,UPSTREAM_URL`.
 * @throws CliError InvalidOption
 */
export function parseProtect(value: string): Protected {
  const form = `for example clinic/web=127.0.0.1:8081,http://127.0.0.1:8080`;
  const match = /^([^/=]+)\/([^/=]+)=([^,]+),(.+)$/.exec(value);
  const [namespace = "", policy = "", listen = "", upstream = ""] = match?.slice(1) ?? [];
  if (!NAME.test(namespace) || !NAME.test(policy)) {
    throw new CliError(
      "InvalidOption",
      `--protect: "${value}" is not NAMESPACE/POLICY=HOST:PORT,UPSTREAM_URL, ${form}`,
    );
  }
  const url = URL.parse(upstream);
  if (url?.protocol !== "http:" || url.pathname !== "/" || url.search || url.username) {
    throw new CliError("InvalidOption", `--protect: "${upstream}" is not the app's http://HOST:PORT, ${form}`);
  }
  return { namespace, policy, listen: parseHostPort(listen, "--protect"), upstream: url };
}

/** @throws CliError InvalidOption when two of them share a policy or a listener */
export function checkDistinct(apps: readonly Protected[]): void {
  const seen = new Set<string>();
  for (const { namespace, policy, listen } of apps) {
    for (const key of [`${namespace}/${policy}`, ...(listen.port ? [`${listen.host}:${listen.port}`] : [])]) {
      if (seen.has(key)) throw new CliError("InvalidOption", `--protect: ${key} is given twice`);
      seen.add(key);
    }
  }
}
