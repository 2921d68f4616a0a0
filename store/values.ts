import pg from "pg";

// Object ids of PostgreSQL's built-in types (pg_type.dat).
const INT8 = 20;
const TIMESTAMPTZ = 1184;

/**
 * How column values arrive. `bigint`: a number, refused beyond 2^53. `timestamptz`: µs since the Unix epoch, the ledger's unit, with
 * nothing rounded away (write them with `heauth.at($1)`). `bytea`: Buffer. `jsonb`: the parsed value. `uuid`: text.
 */
export const columnTypes: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: "text" | "binary") {
    if (oid === INT8) return parseInteger;
    if (oid === TIMESTAMPTZ) return parseTime;
    return pg.types.getTypeParser(oid, format as "text");
  },
};

function parseInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`integer beyond 2^53: ${text}`);
  return value;
}

const ISO = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?([+-]\d\d(?::\d\d)?)$/;

/** `2026-11-20 23:57:01.123456+00` → µs. */
function parseTime(text: string): number {
  const [, date, time, fraction = "", zone = ""] = ISO.exec(text) ?? [];
  const seconds = Date.parse(`${date}T${time}${zone.length === 3 ? `${zone}:00` : zone}`);
  if (Number.isNaN(seconds)) throw new RangeError(`not a point in time: ${text}`);
  return seconds * 1000 + Number(fraction.padEnd(6, "0"));
}
