import { expect, test } from "@jest/globals";
import { ProofMemory } from "./proof-memory.ts";

test("a head is remembered without what it was read with", () => {
  const memory = new ProofMemory();
  const read = Buffer.alloc(65_536, 7);
  const head = { epoch: 0, size: 9, root: read.subarray(100, 132), frontier: read.subarray(132, 512) };
  memory.proved("t", { anchor: head, head, next: head });
  const kept = memory.headOf("t");
  expect(kept).toEqual({ epoch: 0, size: 9, root: Uint8Array.from(head.root) });
  expect(kept?.root.buffer.byteLength).toBe(32);
  expect(memory.covers("t", head, head)).toBe(true);
  memory.forget("t");
  expect(memory.headOf("t")).toBeUndefined();
});
