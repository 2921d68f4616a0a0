import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { SidecarError } from "../errors.ts";
import { type Family, type Redirect, redirectRules } from "./rules.ts";

const TOOLS = { IPv4: "iptables-restore", IPv6: "ip6tables-restore" };
/** Seconds that another one who changes rules is waited for. */
const WAIT = "5";

export interface ApplyOptions extends Redirect {
  /** Where Linux lists the IPv6 addresses of the network namespace. */
  readonly ipv6Addresses?: string;
  /** PATH names the tools. */
  readonly environment?: Record<string, string | undefined>;
}

/**
 * Redirects the inbound connections of the network namespace that this process is in, for IPv4, and for IPv6 where there is any.
 *
 * @returns the families that are redirected
 * @throws SidecarError RedirectFailed where one that the pod has is not
 */
export async function applyRedirect(options: ApplyOptions): Promise<readonly Family[]> {
  const { ipv6Addresses = "/proc/net/if_inet6", environment = process.env, ...redirect } = options;
  const families: Family[] = ["IPv4", ...((await hasIpv6(ipv6Addresses)) ? (["IPv6"] as const) : [])];
  for (const family of families) await restore(TOOLS[family], redirectRules(family, redirect), environment);
  return families;
}

/** An address of another interface than the loopback one, also a link-local one: the neighbours can reach that. */
async function hasIpv6(file: string): Promise<boolean> {
  const addresses = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  return addresses.split("\n").some((line) => line.trim() !== "" && !/\slo$/.test(line.trimEnd()));
}

async function restore(tool: string, rules: string, env: Record<string, string | undefined>): Promise<void> {
  const child = spawn(tool, ["--noflush", "--wait", WAIT], { env, stdio: ["pipe", "ignore", "pipe"] });
  const said = text(child.stderr);
  // It may end before it has read everything; its code tells then.
  child.stdin.on("error", () => {});
  child.stdin.end(rules);
  const [code] = await once(child, "close").catch((error: Error) => {
    throw new SidecarError("RedirectFailed", `${tool} can't be run: ${error.message}`, { cause: error });
  });
  if (code === 0) return;
  const why = (await said).trim().split("\n").slice(0, 3).join(" ");
  throw new SidecarError("RedirectFailed", `${tool} ended with ${code}: ${why.slice(0, 500)}`);
}
