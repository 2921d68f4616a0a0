import { access, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Us, and Envoy by its group. */
const MODE = 0o640;

/** What Envoy does, by what it reads as the pressure on a resource: see the thresholds in envoy/pod.yaml. */
const PRESSURE = { TellToGo: "0.5", CloseIdle: "1" } as const;

export type Step = keyof typeof PRESSURE;

/**
 * The file that says that the pod goes: to Envoy, which reads it when it is put there and when it starts, and to a sidecar that starts
 * again. It is never taken away, for a pod that goes does not come back.
 */
export function markFile(podEnvoy: string): string {
  return join(podEnvoy, "draining");
}

export async function setMark(podEnvoy: string, step: Step): Promise<void> {
  const file = markFile(podEnvoy);
  const next = `${file}.next`;
  await writeFile(next, PRESSURE[step], { mode: MODE });
  // What Envoy watches for.
  await rename(next, file);
}

export async function hasMark(podEnvoy: string): Promise<boolean> {
  return access(markFile(podEnvoy)).then(
    () => true,
    () => false,
  );
}
