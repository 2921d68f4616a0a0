import { describe, expect, test } from "@jest/globals";
import { honestHistory } from "../testing/honest-history.ts";
import { MemorySource } from "../testing/memory-source.ts";
import { Random } from "../testing/random.ts";
import { logTamperings } from "../testing/tamper/log.ts";
import { recordTamperings } from "../testing/tamper/records.ts";
import { rowTamperings } from "../testing/tamper/rows.ts";
import { verifyLedger } from "./verify.ts";

const HISTORIES = [11, 12, 13].map((seed) => honestHistory({ seed, steps: 60 }));
const PLACES = Number(process.env["HEAUTH_TAMPER_PLACES"] ?? 8);

describe.each(Object.entries({ ...recordTamperings, ...rowTamperings, ...logTamperings }))("%s", (_name, tamper) => {
  test(`is found at ${PLACES} places`, async () => {
    let found = 0;
    for (let seed = 0; found < PLACES; seed++) {
      expect(seed).toBeLessThan(PLACES * 10);
      const history = HISTORIES[seed % HISTORIES.length];
      if (history === undefined) throw new RangeError("no history");
      const ledger = history.stored();
      const expected = tamper(ledger, new Random(seed));
      if (expected === undefined) continue;
      const verdict = await verifyLedger(new MemorySource(ledger), history.keys.pinned, history.anchor());
      expect({ seed, ...verdict }).toMatchObject({
        status: "Tampered",
        findings: expect.arrayContaining([
          expect.objectContaining({ class: expected.class, place: expect.objectContaining(expected.place) }),
        ]),
      });
      found++;
    }
  });
});
