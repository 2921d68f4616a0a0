import { expect, test } from "@jest/globals";
import { formatPinnedKeys, parsePinnedKeys, pinnedKey, programKeyId } from "./keys.ts";
import { testKeys, testSigner } from "./testing/keys.ts";

const { publicKey, id } = testSigner("hub");
const entry = { program: "hub", id, publicKey: Buffer.from(publicKey).toString("base64url") };
const file = (...keys: unknown[]): string => JSON.stringify({ v: 1, keys });

test("pinned keys come back from their file", () => {
  const { pinned } = testKeys();
  const read = parsePinnedKeys(formatPinnedKeys(pinned));
  expect([...read.keys()]).toEqual([...pinned.keys()]);
  for (const [key, { program, key: own }] of pinned) {
    expect(read.get(key)?.program).toBe(program);
    expect(read.get(key)?.key.equals(own)).toBe(true);
  }
});

test("a key's id is its program's name and the beginning of its hash", () => {
  expect(programKeyId("hub", Buffer.alloc(32))).toBe("hub-66687aad");
  expect(pinnedKey("hub", publicKey).id).toBe(id);
  expect(() => programKeyId("hub", Buffer.alloc(31))).toThrow(expect.objectContaining({ code: "KeyInvalid" }));
});

test.each([
  ["{", /not JSON/],
  ["[]", /not an object/],
  ['{"v":2,"keys":[]}', /^v is not 1/],
  ['{"v":1,"keys":[]}', /at least one key/],
  ['{"v":1}', /at least one key/],
  [file(7), /^keys\[0\] is not an object/],
  [file(entry, { ...entry, program: "sidecar" }), /^keys\[1\]\.program/],
  [file({ ...entry, publicKey: "AAAA" }), /^keys\[0\]\.publicKey.*32 bytes/],
  [file({ ...entry, publicKey: `${entry.publicKey}=` }), /^keys\[0\]\.publicKey/],
  [file({ ...entry, id: "hub-00000000" }), new RegExp(`^keys\\[0\\]\\.id .*expected ${id}`)],
  [file(entry, entry), /twice/],
])("the file %s is refused with what is expected", (text, message) => {
  expect(() => parsePinnedKeys(text)).toThrow(
    expect.objectContaining({ code: "KeysFileInvalid", message: expect.stringMatching(message) }),
  );
});
