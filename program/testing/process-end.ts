import { pause } from "../backoff.ts";
import { processIdentity } from "../process-identity.ts";

/**
 * Whether a process that is not our child, so that there is no event for it, ends within a minute: more than a guard takes that forces it
 * to after some seconds.
 */
export async function ends(pid: number): Promise<boolean> {
  for (let waited = 0; waited < 60_000; waited += 25) {
    if (processIdentity(pid) === undefined) return true;
    await pause(25);
  }
  return false;
}
