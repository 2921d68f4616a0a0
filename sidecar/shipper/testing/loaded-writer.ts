/**
 * A process that writes under load until it is killed: `node loaded-writer.ts FOLDER`. It prints the id of every record once it
 * is acknowledged, a line each. Its hub takes the journal's opening and then never answers again.
 */
import { createMetrics, systemClock } from "@heauth/program";
import { openJournal } from "../journal.ts";
import { createJournalMetrics } from "../journal-metrics.ts";
import { InMemoryHub } from "./in-memory-hub.ts";
import { decision, owner, smallLimits } from "./journal-rig.ts";

const [folder = ""] = process.argv.slice(2);
const hub = new InMemoryHub();
hub.fault = () => (hub.requests < 2 ? undefined : new Promise(() => {}));
const say = (_fields: object, message: string) => console.error(message);
const log = { info: () => {}, warn: say, error: say } as unknown as Parameters<typeof openJournal>[0]["log"];
const limits = { ...smallLimits, quota: 256 * 1024 * 1024 };
const metrics = createJournalMetrics(createMetrics());
const journal = await openJournal({
  folder,
  hub,
  clock: systemClock,
  log,
  metrics,
  limits,
  onFailed: () => process.exit(74),
});
await journal.open(owner);

let number = 0;
async function write(): Promise<void> {
  for (;;) {
    const { id } = await journal.write(decision(number++), "Local");
    process.stdout.write(`${id}\n`);
  }
}
await Promise.all(Array.from({ length: 32 }, write));
