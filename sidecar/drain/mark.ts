import { access, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Us, and Envoy by its group. */
const MODE = 0o640;
/** Envoy reads it as the pressure on a resource: the most that there can be. */
const DRAINING = "1";

/**
 * The file that says that the pod goes: to Envoy, which reads it when it is put there and when it starts, and to a sidecar that starts
 * again. It is never taken away, for a pod that goes does not come back.
 */
export function markFile(podEnvoy: string): string {
  return join(podEnvoy, "draining");
}

export async function setMark(podEnvoy: string): Promise<void> {
  const file = markFile(podEnvoy);
  const next = `${file}.next`;
  await writeFile(next, DRAINING, { mode: MODE });
  // What Envoy watches for.
  await rename(next, file);
}

export async function hasMark(podEnvoy: string): Promise<boolean> {
  return access(markFile(podEnvoy)).then(
    () => true,
    () => false,
  );
}
