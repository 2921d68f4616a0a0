import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { Frontier } from "./frontier.ts";
import { EMPTY_ROOT, leafHash, nodeHash, sha256 } from "./hash.ts";
import { rootAt, treeHash } from "./tree.ts";

// The trees that Certificate Transparency's implementations hold themselves against.
const INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const LEAVES = INPUTS.map((hex) => leafHash(Buffer.from(hex, "hex")));

const leavesOf = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, n) => leafHash(Buffer.from([n >> 8, n])));

/** The definition of RFC 6962, section 2.1, word for word. */
function definedRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves;
  if (only === undefined) return sha256(new Uint8Array(0));
  if (leaves.length === 1) return only;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeHash(definedRoot(leaves.slice(0, k)), definedRoot(leaves.slice(k)));
}

test.each(ROOTS.map((root, size) => ({ root, size })))("the known tree of $size leaves", ({ root, size }) => {
  expect(Buffer.from(treeHash(LEAVES.slice(0, size))).toString("hex")).toBe(root);
  expect(Buffer.from(rootAt(LEAVES, size)).toString("hex")).toBe(root);
});

test("leaves longer than the scratch buffer are hashed whole", () => {
  const long = Buffer.alloc(100_000, 1);
  expect(leafHash(long)).toEqual(sha256(Buffer.concat([Buffer.from([0]), long])));
});

test("no root of a size that never was", () => {
  for (const size of [-1, 9, 1.5, Number.NaN]) {
    expect(() => rootAt(LEAVES, size)).toThrow(expect.objectContaining({ code: "ProofRangeInvalid" }));
  }
});

describe("the frontier", () => {
  test("has the defined root at every size, also after it was stored", async () => {
    await fc.assert(
      fc.property(fc.integer({ min: 0, max: 300 }), (size) => {
        const leaves = leavesOf(size);
        let frontier = Frontier.empty();
        for (const leaf of leaves) {
          frontier.append(leaf);
          if (frontier.size % 7 === 0) frontier = Frontier.of(frontier.size, frontier.toBytes());
        }
        expect(frontier.size).toBe(size);
        expect(Buffer.from(frontier.root())).toEqual(Buffer.from(definedRoot(leaves)));
        expect(frontier.toBytes().length / 32).toBeLessThanOrEqual(Math.ceil(Math.log2(size + 1)));
      }),
      { numRuns: 60 },
    );
  });

  test("a copy goes its own way", () => {
    const one = Frontier.of(1, leavesOf(1)[0] ?? EMPTY_ROOT);
    const other = one.clone();
    other.append(EMPTY_ROOT);
    expect([one.size, other.size]).toEqual([1, 2]);
    expect(one.root()).toEqual(leavesOf(1)[0]);
  });

  test("goes on beyond 2^32 leaves", () => {
    const size = 2 ** 33 - 1;
    const frontier = Frontier.of(size, Buffer.alloc(33 * 32));
    frontier.append(EMPTY_ROOT);
    expect(frontier.size).toBe(2 ** 33);
    expect(frontier.toBytes().length).toBe(32);
  });

  test.each([
    [3, 32],
    [0, 32],
    [-1, 0],
    [1.5, 32],
    [2, 33],
  ])("is refused when size %p and %p bytes disagree", (size, bytes) => {
    expect(() => Frontier.of(size, Buffer.alloc(bytes))).toThrow(expect.objectContaining({ code: "FrontierInvalid" }));
  });
});
