import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { EMPTY_ROOT, leafHash } from "./hash.ts";
import { consistencyProof, inclusionProof, verifyConsistency, verifyInclusion } from "./proof.ts";
import { rootAt } from "./tree.ts";

const LEAVES = Array.from({ length: 130 }, (_, n) => leafHash(Buffer.from([n])));
const leaf = (index: number): Uint8Array => LEAVES[index] ?? EMPTY_ROOT;
const head = (size: number) => ({ size, root: rootAt(LEAVES, size) });
const size = fc.integer({ min: 1, max: LEAVES.length });
const other = Buffer.alloc(32, 9);

describe("inclusion", () => {
  test("every leaf of every tree up to 33 has a proof, and it proves nothing else", () => {
    for (let n = 1; n <= 33; n++) {
      const { root } = head(n);
      for (let index = 0; index < n; index++) {
        const path = inclusionProof(LEAVES, index, n);
        expect(verifyInclusion(leaf(index), index, n, path, root)).toBe(true);
        expect(verifyInclusion(leaf(index + 1), index, n, path, root)).toBe(false);
        expect(verifyInclusion(leaf(index), index === 0 ? 1 : index - 1, n, path, root)).toBe(false);
      }
    }
  });

  test("a proof for another size is refused", async () => {
    await fc.assert(
      fc.property(size, size, fc.nat(), (n, m, at) => {
        fc.pre(n !== m);
        const index = at % Math.min(n, m);
        const path = inclusionProof(LEAVES, index, n);
        expect(verifyInclusion(leaf(index), index, m, path, rootAt(LEAVES, m))).toBe(false);
      }),
    );
  });

  test("a path that lacks a step, has one more, or a wrong one is refused", async () => {
    await fc.assert(
      fc.property(fc.integer({ min: 2, max: LEAVES.length }), fc.nat(), fc.nat(), (n, at, which) => {
        const index = at % n;
        const path = inclusionProof(LEAVES, index, n);
        const step = which % path.length;
        const { root } = head(n);
        expect(verifyInclusion(leaf(index), index, n, path.toSpliced(step, 1), root)).toBe(false);
        expect(verifyInclusion(leaf(index), index, n, path.toSpliced(step, 0, other), root)).toBe(false);
        expect(verifyInclusion(leaf(index), index, n, path.with(step, other), root)).toBe(false);
        expect(verifyInclusion(leaf(index), index, n, [...path, other], root)).toBe(false);
      }),
    );
  });

  test("in a tree of one leaf the leaf is the root", () => {
    expect(inclusionProof(LEAVES, 0, 1)).toEqual([]);
    expect(verifyInclusion(leaf(0), 0, 1, [], leaf(0))).toBe(true);
    expect(verifyInclusion(leaf(0), 0, 1, [other], leaf(0))).toBe(false);
  });

  test("an empty tree proves nothing", () => {
    expect(verifyInclusion(leaf(0), 0, 0, [], EMPTY_ROOT)).toBe(false);
    expect(verifyInclusion(EMPTY_ROOT, 0, 0, [], EMPTY_ROOT)).toBe(false);
    expect(() => inclusionProof([], 0)).toThrow(expect.objectContaining({ code: "ProofRangeInvalid" }));
  });

  test.each([
    [5, 5],
    [-1, 5],
    [0.5, 5],
    [0, 131],
  ])("no leaf %p in a tree of %p", (index, n) => {
    expect(() => inclusionProof(LEAVES, index, n)).toThrow(expect.objectContaining({ code: "ProofRangeInvalid" }));
    expect(verifyInclusion(leaf(0), index, n, [], leaf(0))).toBe(false);
  });
});

describe("consistency", () => {
  test("every pair of trees up to 33 has a proof", () => {
    for (let newer = 0; newer <= 33; newer++) {
      for (let older = 0; older <= newer; older++) {
        const path = consistencyProof(LEAVES, older, newer);
        expect({ older, newer, ok: verifyConsistency(head(older), head(newer), path) }).toMatchObject({ ok: true });
      }
    }
  });

  test("another old tree, another new tree, a changed, missing or added step is refused", async () => {
    await fc.assert(
      fc.property(size, size, fc.nat(), (n, m, which) => {
        const [older, newer] = [Math.min(n, m), Math.max(n, m)];
        fc.pre(older < newer);
        const path = consistencyProof(LEAVES, older, newer);
        const step = which % path.length;
        expect(verifyConsistency({ size: older, root: other }, head(newer), path)).toBe(false);
        expect(verifyConsistency(head(older), { size: newer, root: other }, path)).toBe(false);
        expect(verifyConsistency(head(older), head(newer), path.with(step, other))).toBe(false);
        expect(verifyConsistency(head(older), head(newer), path.toSpliced(step, 1))).toBe(false);
        expect(verifyConsistency(head(older), head(newer), [...path, other])).toBe(false);
      }),
    );
  });

  test("a proof between other sizes is refused", async () => {
    await fc.assert(
      fc.property(size, size, size, (a, b, c) => {
        const [older, newer] = [Math.min(a, b), Math.max(a, b)];
        fc.pre(older < newer && c !== older && c < newer);
        const path = consistencyProof(LEAVES, older, newer);
        expect(verifyConsistency(head(c), head(newer), path)).toBe(false);
      }),
    );
  });

  test("the same tree needs no proof, and takes none", () => {
    expect(verifyConsistency(head(7), head(7), [])).toBe(true);
    expect(verifyConsistency(head(7), head(7), [other])).toBe(false);
    expect(verifyConsistency(head(7), { size: 7, root: other }, [])).toBe(false);
  });

  test("the empty tree is before every other, but only with its own root", () => {
    expect(verifyConsistency(head(0), head(5), [])).toBe(true);
    expect(verifyConsistency({ size: 0, root: other }, head(5), [])).toBe(false);
    expect(verifyConsistency(head(0), head(5), [other])).toBe(false);
  });

  test("a tree never shrinks", () => {
    expect(verifyConsistency(head(5), head(4), [])).toBe(false);
    expect(() => consistencyProof(LEAVES, 5, 4)).toThrow(expect.objectContaining({ code: "ProofRangeInvalid" }));
    expect(() => consistencyProof(LEAVES, 5, 131)).toThrow(expect.objectContaining({ code: "ProofRangeInvalid" }));
  });

  test("without a path two different trees are not consistent", () => {
    expect(verifyConsistency(head(3), head(5), [])).toBe(false);
    expect(verifyConsistency(head(4), head(5), [])).toBe(false);
  });
});
