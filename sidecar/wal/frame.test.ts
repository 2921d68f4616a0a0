import { expect, test } from "@jest/globals";
import { FRAME_HEADER_BYTES, findCommit, readFrame, sealFrame, writeCommit } from "./frame.ts";

const SALT = 0xdeadbeef;

function sample(seq: number): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES + 20, "payload");
  sealFrame(bytes, 0, bytes.length, seq, SALT);
  return bytes;
}

test("a frame is read as it was written, also with a seq above 2^32", () => {
  for (const seq of [0, 1, 2 ** 32, 2 ** 53 - 1]) {
    const bytes = sample(seq);
    const whole = { kind: "Record", seq, start: FRAME_HEADER_BYTES, end: bytes.length, count: 1 };
    expect(readFrame(bytes, 0, bytes.length, SALT)).toEqual(whole);
  }
});

test("every flipped bit makes it bad, or too long for what is there", () => {
  const bytes = sample(7);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(typeof readFrame(flipped, 0, flipped.length, SALT)).toBe("string");
  }
});

test("another journal's frame, zeros and a cut frame are none", () => {
  const bytes = sample(7);
  expect(readFrame(bytes, 0, bytes.length, SALT + 1)).toBe("Bad");
  expect(readFrame(Buffer.alloc(64), 0, 64, SALT)).toBe("Bad");
  for (let limit = 0; limit < bytes.length; limit++) expect(readFrame(bytes, 0, limit, SALT)).toBe("Short");
});

test("a commit frame is found wherever it is, and only a good one", () => {
  const bytes = Buffer.alloc(200, "heCOMMIT");
  const end = writeCommit(bytes, 100, 41, 3, SALT);
  expect(findCommit(bytes, 0, SALT)).toMatchObject({ kind: "Commit", seq: 41, count: 3, end });
  expect(findCommit(bytes, 101, SALT)).toBeUndefined();
  expect(findCommit(bytes, 0, SALT + 1)).toBeUndefined();
});
