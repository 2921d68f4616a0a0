import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { FileContent } from "./snapshot.ts";

/** Whether a path below the folder may be a resource file: YAML, and nothing hidden. */
export function isResourceFile(path: string): boolean {
  return /\.ya?ml$/.test(path) && !isHidden(path);
}

/** Editors and Kubernetes keep things of their own behind a dot. */
export function isHidden(path: string): boolean {
  return path.split("/").some((part) => part.startsWith("."));
}

/**
 * Reads every resource file below a folder, in order of their paths.
 * @throws where the folder itself can't be read
 */
export async function readFolder(folder: string): Promise<Map<string, FileContent>> {
  const found = await readdir(folder, { recursive: true });
  const files = new Map<string, FileContent>();
  for (const path of found.filter(isResourceFile).sort()) {
    const content = await readContent(join(folder, path));
    if (content !== undefined) files.set(path, content);
  }
  return files;
}

/** Undefined: it has gone since, or is no file. */
async function readContent(path: string): Promise<FileContent | undefined> {
  try {
    return { text: await readFile(path, "utf8") };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "EISDIR" ? undefined : { unreadable: `a file that can be read (${code})` };
  }
}
