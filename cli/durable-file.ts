import { mkdir, open, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** Whole or not at all, and still there after a power cut: a key that was used and then lost would make the ledger unverifiable. */
export async function writeDurably(file: string, text: string, mode: number): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const draft = await open(`${file}.new`, "w", mode);
  try {
    await draft.writeFile(text);
    await draft.sync();
  } finally {
    await draft.close();
  }
  await rename(`${file}.new`, file);
  const folder = await open(dirname(file), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
