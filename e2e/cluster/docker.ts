import { runCommand } from "../kube/command.ts";
import type { ImageBuild } from "./cluster.ts";
import { must } from "./must.ts";

/** Builds with Docker, from bases that a registry serves. */
export async function buildWithDocker(tag: string, { dockerfile, context, args = {} }: ImageBuild): Promise<void> {
  const settings = Object.entries(args).flatMap(([key, value]) => ["--build-arg", `${key}=${value}`]);
  await docker("build", ...settings, "--tag", tag, "--file", dockerfile, context);
}

export async function docker(...args: string[]): Promise<void> {
  await must(runCommand("docker", args, { environment: process.env }));
}
