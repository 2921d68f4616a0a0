import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { pause } from "@heauth/program";
import { type Link, linkOf, NODE_INTERFACE, SERVICE_RANGES } from "./addresses.ts";

const LINKS = 254;
const LOOK_AGAIN_MS = 20;
const HAS_IPV6 = existsSync("/proc/sys/net/ipv6");

/** From outside: joins this machine with the network namespace of a process. Answers the name of our end. */
export function connectNode(pid: number): string {
  const link = freeLink(pid);
  const inside = (...args: string[]) => run("nsenter", `--net=/proc/${pid}/ns/net`, "ip", ...args);
  ip("link", "set", link.interface, "up");
  inside("link", "set", "lo", "up");
  inside("link", "set", NODE_INTERFACE, "up");
  if (HAS_IPV6) {
    ip("addr", "add", link.host[1], "dev", link.interface, "nodad");
    inside("addr", "add", link.node[1], "dev", NODE_INTERFACE, "nodad");
  }
  ip("addr", "add", link.host[0], "dev", link.interface);
  // The last: this is what the node waits for.
  inside("addr", "add", link.node[0], "dev", NODE_INTERFACE);
  return link.interface;
}

/** The kernel would do it too, but a minute after the node's last process has ended. */
export function disconnectNode(name: string): void {
  if (networkInterfaces()[name] !== undefined) ip("link", "delete", name);
}

/** The first number that no other node has; the kernel lets only one of several runs make it. */
function freeLink(pid: number): Link {
  for (let number = 1; number <= LINKS; number++) {
    const link = linkOf(number);
    const args = ["link", "add", link.interface, "type", "veth", "peer", "name", NODE_INTERFACE, "netns", String(pid)];
    if (networkInterfaces()[link.interface] === undefined && tryIp(args)) return link;
  }
  throw new Error("this machine has no pair of interfaces left for a node");
}

/** From inside: waits for the link and lets packets be forwarded. Answers the node's addresses, IPv4 first. */
export async function nodeAddresses(signal: AbortSignal): Promise<string[]> {
  for (;;) {
    const found = (networkInterfaces()[NODE_INTERFACE] ?? []).filter(({ scopeid }) => !scopeid);
    const [v4, v6] = ["IPv4", "IPv6"].map((family) => found.find((each) => each.family === family)?.address);
    if (v4 !== undefined) {
      forward("ipv4/ip_forward");
      if (v6 !== undefined) forward("ipv6/conf/all/forwarding");
      const addresses = v6 === undefined ? [v4] : [v4, v6];
      routeServices(addresses.length);
      return addresses;
    }
    await pause(LOOK_AGAIN_MS, signal);
  }
}

/**
 * What is sent to a Service must be on its way somewhere before kube-proxy's rules can turn it round; what they do not turn round
 * is dropped there.
 */
function routeServices(families: number): void {
  ip("link", "add", "services", "type", "veth", "peer", "name", "nowhere");
  ip("link", "set", "services", "up", "arp", "off");
  ip("link", "set", "nowhere", "up");
  for (const range of SERVICE_RANGES.slice(0, families)) ip("route", "add", range, "dev", "services");
}

function forward(setting: string): void {
  writeFileSync(`/proc/sys/net/${setting}`, "1");
}

function tryIp(args: readonly string[]): boolean {
  try {
    execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
    return true;
  } catch (error) {
    if (String(error).includes("File exists")) return false;
    throw error;
  }
}

function ip(...args: string[]): void {
  run("ip", ...args);
}

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: ["ignore", "ignore", "inherit"] });
}
