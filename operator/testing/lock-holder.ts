import { openDatabase } from "@heauth/store";
import { JobLocks } from "../jobs/job-lock.ts";

// A process of its own that holds a job's lock, to be frozen: `node lock-holder.ts URL SILENCE_MS`. Says what it holds each 20 ms.
const [url = "", silenceMs = ""] = process.argv.slice(2);
const database = await openDatabase({ url, role: "heauth_operator", applicationName: "lock-holder" });
const locks = new JobLocks(database, { silenceMs: Number(silenceMs) });
for (;;) {
  const held = await locks.holds("seal").catch(() => false);
  process.stdout.write(`${held}\n`);
  await new Promise((resolve) => setTimeout(resolve, 20));
}
