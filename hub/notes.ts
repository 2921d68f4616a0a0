import { asError, type Logger } from "@heauth/program";
import { CallError } from "@heauth/protocol";
import { type Database, notePolicyAck, noteWatermark, type PolicyAck } from "@heauth/store";
import type { Caller } from "./callers.ts";
import type { JournalOwners } from "./journal-owners.ts";
import { refusalOf } from "./refusals.ts";

export interface JournalMark {
  readonly caller: Caller;
  readonly tenantId: string;
  readonly journalId: string;
  readonly seq: number;
}

/** What sidecars say by the way, kept until the store has it: only the newest word of each counts. */
export interface Notes {
  ack(ack: PolicyAck): void;
  mark(mark: JournalMark): void;
  /** Writes what waits; what can't be written now waits for the next time. */
  flush(): Promise<void>;
}

/** Far more than sidecars have journals: what comes beyond is somebody's flood. */
const MAX_MARKS = 10_000;

export function createNotes(database: Database, owners: JournalOwners, log: Logger): Notes {
  const acks = new Map<string, PolicyAck>();
  const marks = new Map<string, JournalMark>();
  let flushing: Promise<void> | undefined;

  async function writeAck(ack: PolicyAck): Promise<void> {
    await database.tenantTransaction(ack.tenantId, (tx) => notePolicyAck(tx, ack));
  }

  async function writeMark({ caller, tenantId, journalId, seq }: JournalMark): Promise<void> {
    await database.tenantTransaction(tenantId, async (tx) => {
      await owners.check(tx, caller, tenantId, journalId);
      await noteWatermark(tx, tenantId, journalId, seq);
    });
  }

  /** False when the store is away. */
  async function write<N>(waiting: Map<string, N>, writeOne: (note: N) => Promise<void>): Promise<boolean> {
    for (const [key, note] of [...waiting]) {
      try {
        await writeOne(note);
      } catch (thrown) {
        const error = refusalOf(thrown);
        if (error instanceof CallError && error.code === "UNAVAILABLE") return false;
        log.warn({ err: asError(error) }, "a sidecar's note is refused");
      }
      if (waiting.get(key) === note) waiting.delete(key);
    }
    return true;
  }

  return {
    ack(ack) {
      acks.set(`${ack.namespace}/${ack.name}/${ack.pod}`, ack);
    },
    mark(mark) {
      const key = `${mark.tenantId}/${mark.journalId}`;
      if (marks.size < MAX_MARKS || marks.has(key)) marks.set(key, mark);
    },
    flush() {
      flushing ??= (async () => {
        if (await write(acks, writeAck)) await write(marks, writeMark);
      })().finally(() => {
        flushing = undefined;
      });
      return flushing;
    },
  };
}
