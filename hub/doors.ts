import type { HostPort } from "@heauth/program";
import type { Changing, ServerIdentity } from "@heauth/protocol";
import type { CallerResolver } from "./callers.ts";

/** Where sidecars come in, and how it is found out who they are. */
export type Door = SocketDoor | NetworkDoor;

export interface SocketDoor {
  /** Absolute path; its folder is the hub's own. */
  readonly socket: string;
  readonly callers: CallerResolver;
}

/** Always TLS. */
export interface NetworkDoor {
  /** Port 0 takes a free one. */
  readonly listen: HostPort;
  readonly identity: Changing<ServerIdentity>;
  readonly callers: CallerResolver;
}

export function isOnNetwork(door: Door): door is NetworkDoor {
  return "listen" in door;
}
