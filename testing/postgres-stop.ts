import { running } from "./postgres-running.ts";

/** jest's globalTeardown. */
export default async function stop(): Promise<void> {
  await running.server?.stop();
}
