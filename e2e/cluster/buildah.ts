import { rm } from "node:fs/promises";
import { runCommand } from "../kube/command.ts";
import type { ImageBuild } from "./cluster.ts";
import { must } from "./must.ts";
import type { NodeAssets } from "./node/assets.ts";

/** Builds without a daemon, with the layers of former builds, and writes an archive. Answers the image's name in it. */
export async function buildArchive(
  { buildah, base }: Pick<NodeAssets, "buildah" | "base">,
  { dockerfile, context, name, args = {} }: ImageBuild,
  archive: string,
): Promise<string> {
  const tag = `localhost/heauth-e2e/${name}:latest`;
  const settings = Object.entries({ BASE: base, ...args }).flatMap(([key, value]) => [
    "--build-arg",
    `${key}=${value}`,
  ]);
  // In a mount namespace of its own, so that nothing stays mounted when it is killed.
  const run = (...command: string[]) =>
    must(
      runCommand(
        "unshare",
        [
          "--mount",
          "buildah",
          "--root",
          buildah.root,
          "--runroot",
          buildah.run,
          "--storage-driver=overlay",
          ...command,
        ],
        { environment: process.env },
      ),
    );
  const how = ["--isolation=chroot", "--layers", "--pull-never", "--quiet"];
  await run("bud", ...how, ...settings, "--tag", tag, "--file", dockerfile, context);
  await rm(archive, { force: true });
  await run("push", "--quiet", tag, `docker-archive:${archive}:${tag}`);
  return tag;
}
