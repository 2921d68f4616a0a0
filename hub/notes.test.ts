import { createLogs, uuidv7 } from "@heauth/program";
import type { Database } from "@heauth/store";
import { expect, test } from "@jest/globals";
import { createNotes } from "./notes.ts";

test("a sidecar that names journals without end fills nobody's memory", async () => {
  let written = 0;
  const database = {
    async tenantTransaction() {
      written += 1;
    },
  } as unknown as Database;
  const { log } = createLogs({ program: "test", level: "silent" });
  const notes = createNotes(database, { checkNew: async () => {}, check: async () => {}, give: async () => {} }, log);
  const caller = { namespace: "shop", pod: "web-0", choose: () => [] };
  const tenantId = uuidv7();
  for (let n = 0; n < 10_100; n++) notes.mark({ caller, tenantId, journalId: uuidv7(), seq: 1 });
  await notes.flush();
  expect(written).toBe(10_000);
  notes.mark({ caller, tenantId, journalId: uuidv7(), seq: 1 });
  await notes.flush();
  expect(written).toBe(10_001);
});
