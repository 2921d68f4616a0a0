import type { ClusterClient } from "@heauth/program/kubernetes";
import type { CommandResult } from "../kube/command.ts";

export interface ImageBuild {
  /** Path of the Dockerfile. Its `BASE` argument has a default that a registry serves; a node of our own gives another Debian. */
  readonly dockerfile: string;
  /** Path of the folder that it copies from. */
  readonly context: string;
  /** Without registry and tag. */
  readonly name: string;
  /** Further build arguments. */
  readonly args?: Readonly<Record<string, string>>;
}

/** A real cluster with at least one node; we are its admin. */
export interface Cluster {
  /** Temporary; a node of our own keeps its logs here. */
  readonly folder: string;
  /** Path of the admin's. */
  readonly kubeconfig: string;
  readonly client: ClusterClient;
  /** As the admin. A failure is in the result. */
  kubectl(args: readonly string[], input?: string): Promise<CommandResult>;
  /** Helm 3, as the admin. */
  helm(args: readonly string[], input?: string): Promise<CommandResult>;
  /** Builds an image and lets pods use it. Answers how they name it; `imagePullPolicy` must not be `Always`. */
  buildImage(build: ImageBuild): Promise<string>;
  /** Where NodePorts answer, IPv4 first. */
  nodeAddresses(): Promise<readonly string[]>;
  /** Runs a command on the node, as root: its network, its processes, its mounts. Rejects where we have no such access. */
  onNode(command: string, args: readonly string[], input?: string): Promise<CommandResult>;
  /** Ends a cluster that we have started. Safe to call twice. */
  stop(): Promise<void>;
}
