import { describe, expect, test } from "@jest/globals";
import { parseRecord } from "../record/parse.ts";
import type { StoredLedger } from "../testing/memory-source.ts";
import { scene, tampered } from "../testing/scene.ts";
import type { StoredSessionPart } from "./source.ts";

/** Two sessions with requests that have private parts, sealed. */
function clinic() {
  const made = scene();
  const { ledger, identity, sidecar, session } = made;
  const other = ledger.openSession(identity);
  const request = (of?: string) => {
    const decided = {
      type: "decision",
      at: ledger.now(),
      decision: "Allow",
      private: { path: "/patients/1" },
    } as const;
    sidecar.write([of === undefined ? decided : { ...decided, session: of }]);
  };
  for (const whose of [session, other, undefined]) request(whose);
  ledger.seal();
  return { ...made, other, request };
}

function without(stored: StoredLedger, isGone: (part: StoredSessionPart) => boolean): StoredLedger {
  stored.entries = stored.entries.map((entry) =>
    entry.row?.kind !== "segment"
      ? entry
      : {
          ...entry,
          row: {
            ...entry.row,
            sessions: entry.row.sessions.map((part) => (isGone(part) ? { ...part, private: undefined } : part)),
          },
        },
  );
  return stored;
}

describe("private parts that were dropped for their age", () => {
  test("are accounted for, by segments and but for the sessions that are named", async () => {
    const { ledger, operator, other, check } = clinic();
    ledger.drop(operator, [other]);
    ledger.seal();
    const verdict = await check(ledger.stored());
    expect(verdict).toMatchObject({ status: "Intact", findings: [] });
    expect(verdict.counts.erased).toBeGreaterThan(2);
    expect(verdict.counts.privateParts).toBe(2);
  });

  test("of a session that was spared are found missing, until its own erasure is on record", async () => {
    const { ledger, operator, other, check } = clinic();
    ledger.drop(operator, [other]);
    ledger.seal();
    const gone = without(ledger.stored(), ({ session }) => session === other);
    expect(await check(gone)).toMatchObject(
      tampered({ class: "PrivatePartMissing", place: { session: other } }, { class: "PrivatePartMissing" }),
    );
    ledger.erase(other, operator);
    ledger.seal();
    expect(await check(ledger.stored())).toMatchObject({ status: "Intact" });
  });

  test("of later segments are found missing", async () => {
    const { ledger, operator, request, check } = clinic();
    ledger.drop(operator);
    request();
    ledger.seal();
    expect(await check(ledger.stored())).toMatchObject({ status: "Intact" });
    const gone = without(ledger.stored(), () => true);
    expect(await check(gone)).toMatchObject({ findings: [{ class: "PrivatePartMissing" }] });
  });

  test("several times over one journal are still told apart", async () => {
    const { ledger, operator, request, check } = clinic();
    for (let round = 0; round < 3; round++) {
      ledger.drop(operator);
      request();
      ledger.seal();
    }
    expect(await check(ledger.stored())).toMatchObject({ status: "Intact" });
  });
});

test("only the operator's journals drop for age", async () => {
  const { ledger, identity, check } = clinic();
  ledger.drop(identity);
  ledger.seal();
  expect((await check(ledger.stored())).findings).toContainEqual(
    expect.objectContaining({ class: "RecordMisplaced", message: expect.stringContaining("retention.dropped") }),
  );
});

test.each([
  [{ segments: [{ journal: "x", first: 0, last: 1 }] }],
  [{ segments: [{ journal: "0192f000-0000-7000-8000-000000000000", first: 0 }] }],
  [{ except: ["x"] }],
  [{}],
])("an erasure of %j is no record", (erased) => {
  const record = {
    at: 1,
    erased,
    id: "0192f000-0000-7000-8000-000000000000/1",
    source: "operator",
    tenant: "0192f000-0000-7000-8000-000000000000",
    type: "retention.dropped",
    v: 1,
  };
  expect(() => parseRecord(Buffer.from(JSON.stringify(record)))).toThrow(
    expect.objectContaining({ code: "RecordInvalid" }),
  );
});
