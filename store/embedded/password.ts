import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** Reads the superuser's password; makes one (192 random bits, file mode 0600) when there is no file yet. */
export async function readOrMakePassword(path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const fresh = randomBytes(24).toString("base64url");
  try {
    await writeFile(path, `${fresh}\n`, { flag: "wx", mode: 0o600 });
    return fresh;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return readPassword(path);
  }
}

export async function readPassword(path: string): Promise<string> {
  return (await readFile(path, "utf8")).trim();
}
