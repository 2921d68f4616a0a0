import { rm } from "node:fs/promises";
import { runCommand } from "../kube/command.ts";
import type { ImageBuild } from "./cluster.ts";
import { must } from "./must.ts";
import type { NodeAssets } from "./node/assets.ts";

/**
 * Builds without a daemon, with the layers of former builds, and writes an archive. Answers the image's name in it: the tag tells
 * what is in the image, so pods that name it are rolled when, and only when, it changes.
 */
export async function buildArchive(
  { buildah, base }: Pick<NodeAssets, "buildah" | "base">,
  { dockerfile, context, name, args = {} }: ImageBuild,
  archive: string,
): Promise<string> {
  const image = `localhost/heauth-e2e/${name}`;
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
  const id = await run("bud", ...how, ...settings, "--tag", `${image}:latest`, "--file", dockerfile, context);
  const tagged = `${image}:${id.trim().slice(0, 12)}`;
  await rm(archive, { force: true });
  await run("push", "--quiet", id.trim(), `docker-archive:${archive}:${tagged}`);
  return tagged;
}
