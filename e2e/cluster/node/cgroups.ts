import { existsSync, mkdirSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { pause } from "@heauth/program";

const ROOT = "/sys/fs/cgroup";
const EMPTY_WITHIN_MS = 60_000;
const LOOK_AGAIN_MS = 50;

/** Makes the group in every hierarchy (version 1), or in the only one. */
export function createCgroup(name: string): void {
  for (const path of paths(name)) mkdirSync(path, { recursive: true });
}

/** Removes the group with those below it, as soon as their processes have ended. */
export async function removeCgroup(name: string): Promise<void> {
  const within = AbortSignal.timeout(EMPTY_WITHIN_MS);
  for (const path of paths(name)) {
    while (!removed(path)) await pause(LOOK_AGAIN_MS, within);
  }
}

function paths(name: string): string[] {
  if (existsSync(join(ROOT, "cgroup.controllers"))) return [join(ROOT, name)];
  const hierarchies = readdirSync(ROOT, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return hierarchies.map((entry) => join(ROOT, entry.name, name));
}

/** A group's files go with it, and its folder only after those below it. */
function removed(path: string): boolean {
  if (!existsSync(path)) return true;
  try {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.isDirectory() && !removed(join(path, entry.name))) return false;
    }
    rmdirSync(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return true;
    if (code === "EBUSY") return false;
    throw error;
  }
}
