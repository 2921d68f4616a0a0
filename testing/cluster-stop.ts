import { running } from "./cluster-running.ts";

/** jest's globalTeardown. */
export default async function stop(): Promise<void> {
  await running.cluster?.stop();
}
