import { expect, test } from "@jest/globals";
import { sha256 } from "../hash.ts";
import { pinnedKeys } from "../keys.ts";
import { testKeys, testSigner } from "../testing/keys.ts";
import { checkpointOrigin, parseCheckpoint, signCheckpoint, verifyCheckpoint } from "./checkpoint.ts";
import { noteKeyId, parseNote, signNote, verifyNote } from "./note.ts";

// The example of golang.org/x/mod/sumdb/note, signed by that implementation.
const GO_NOTE = `If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
`;
const GO_KEY = {
  name: "PeterNeumann",
  publicKey: Buffer.from("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "base64").subarray(1),
};

const keys = testKeys();
const tenant = "0190b2a0-0000-4000-8000-000000000001";
const checkpoint = { tenant, epoch: 2, size: 41, root: sha256(Buffer.from("root")) };
const note = signCheckpoint(checkpoint, keys.operator);
const code = (expected: string) => expect.objectContaining({ name: "LedgerError", code: expected });

test("a note that another implementation signed verifies", () => {
  expect(noteKeyId(GO_KEY).toString("hex")).toBe("c74f20a3");
  expect(verifyNote(parseNote(GO_NOTE), [GO_KEY])).toEqual(["PeterNeumann"]);
});

test("a changed note is refused, an unknown key's signature counts for nothing", () => {
  expect(() => verifyNote(parseNote(GO_NOTE.replace("answer", "Answer")), [GO_KEY])).toThrow(code("SignatureInvalid"));
  expect(verifyNote(parseNote(GO_NOTE), [{ ...GO_KEY, name: "Somebody" }])).toEqual([]);
});

test("a note may have more than one signature", () => {
  const other = testSigner("operator");
  const [line] = signCheckpoint(checkpoint, other).split("\n").slice(-2);
  const both = `${note}${line}\n`;
  expect(parseNote(both).signatures).toHaveLength(2);
  expect(verifyCheckpoint(both, keys.pinned)).toEqual(checkpoint);
  const own = note.split("\n").at(-2);
  expect(() => verifyCheckpoint(`${note}${own}\n`, keys.pinned)).toThrow(code("NoteInvalid"));
});

test.each([
  ["no newline at the end", note.slice(0, -1)],
  ["no signature", note.slice(0, note.indexOf("—"))],
  ["no blank line", note.replace("\n\n", "\n")],
  ["a hyphen for the dash", note.replace("—", "-")],
  ["a torn signature", note.replace(/.{5}=*\n$/, "\n")],
  ["a carriage return", note.replaceAll("\n", "\r\n")],
  ["a NUL", note.replace("41", "41\0")],
  ["a lone surrogate", note.replace("41", "41\ud800")],
  ["too much", `${"a".repeat(70_000)}\n${note}`],
  ["nothing", ""],
])("a note with %s is refused", (_, bad) => {
  expect(() => parseCheckpoint(bad)).toThrow(code("NoteInvalid"));
});

test("a text that is not a note's is not signed", () => {
  const signer = { name: "x", publicKey: keys.operator.publicKey, signBytes: () => Buffer.alloc(64) };
  for (const text of ["no newline", "a\tb\n"]) expect(() => signNote(text, signer)).toThrow(code("NoteInvalid"));
});

test("a checkpoint is three lines and the operator's signature", () => {
  const root = checkpoint.root.toString("base64");
  expect(note.startsWith(`heauth.io/ledger/${tenant}/2\n41\n${root}\n\n— heauth-${keys.operator.id} `)).toBe(true);
  expect(checkpointOrigin(tenant, 2)).toBe(`heauth.io/ledger/${tenant}/2`);
  expect(verifyCheckpoint(note, keys.pinned)).toEqual(checkpoint);
});

test("a checkpoint that no pinned operator signed is refused", () => {
  expect(() => verifyCheckpoint(signCheckpoint(checkpoint, testSigner("operator")), keys.pinned)).toThrow(
    code("KeyInvalid"),
  );
  expect(() => verifyCheckpoint(signCheckpoint(checkpoint, keys.hub), keys.pinned)).toThrow(code("KeyInvalid"));
  expect(() => verifyCheckpoint(note, pinnedKeys([]))).toThrow(code("KeyInvalid"));
  expect(() => verifyCheckpoint(note.replace("\n41\n", "\n42\n"), keys.pinned)).toThrow(code("SignatureInvalid"));
});

test.each([
  ["another origin", "example.com/log\n41\n"],
  ["an epoch that is not a number", `heauth.io/ledger/${tenant}/x\n41\n`],
  ["a tenant that is not a UUID", "heauth.io/ledger/acme/0\n41\n"],
  ["a size with a sign", `heauth.io/ledger/${tenant}/0\n+41\n`],
  ["a size with a leading zero", `heauth.io/ledger/${tenant}/0\n041\n`],
  ["a size beyond 2^53", `heauth.io/ledger/${tenant}/0\n9007199254740993\n`],
])("a checkpoint with %s is refused", (_, head) => {
  const signer = {
    name: `heauth-${keys.operator.id}`,
    publicKey: keys.operator.publicKey,
    signBytes: keys.operator.signBytes,
  };
  const root = checkpoint.root.toString("base64");
  expect(() => verifyCheckpoint(signNote(`${head}${root}\n`, signer), keys.pinned)).toThrow(code("NoteInvalid"));
});

test("a root that is no hash is refused", () => {
  const root = checkpoint.root.toString("base64");
  for (const bad of ["", root.slice(4), root.replace("=", ""), `${root}\n\nx`]) {
    expect(() => parseCheckpoint(note.replace(root, bad))).toThrow(code("NoteInvalid"));
  }
});
