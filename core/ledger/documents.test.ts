import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { buildBlockHeader, parseBlockHeader } from "./block.ts";
import { canonicalBytes, type Json } from "./canonical.ts";
import { publicKeyOf, rawPublicKey, signedMessage, signMessage, verifyMessage } from "./ed25519.ts";
import { leafHash, sha256 } from "./hash.ts";
import { parseKeyChange, signKeyChange, verifyKeyChange } from "./key-change.ts";
import { pinnedKey, pinnedKeys } from "./keys.ts";
import { entryBytes, entryLeaf } from "./log/entry.ts";
import {
  buildRegistration,
  countersignRegistration,
  type JournalProgram,
  mayHold,
  parseRegistration,
  registrarOf,
  signPossession,
  verifyRegistration,
} from "./registration.ts";
import { verifyStatement } from "./statement.ts";
import { testKeys, testSigner } from "./testing/keys.ts";
import { treeHash } from "./tree.ts";

const keys = testKeys();
const tenant = "0190b2a0-0000-4000-8000-000000000001";
const journal = "0190b2a0-0000-7000-8000-000000000002";
const session = "0190b2a0-0000-7000-9000-000000000003";
const code = (expected: string) => expect.objectContaining({ name: "LedgerError", code: expected });

function register(program: JournalProgram, registrar: keyof typeof keys & string = registrarOf(program)) {
  const { privateKey: key } = generateKeyPairSync("ed25519");
  const signer = keys[registrar as "hub"];
  const body = buildRegistration({ tenant, journal, key, program, opened: 1, registrar: signer.id });
  const possession = signPossession(body, key);
  return { body, possession, countersignature: countersignRegistration(body, possession, signer), key };
}

test("Ed25519 as in RFC 8032's second test, from raw bytes", () => {
  const raw = Buffer.from("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "hex");
  expect(rawPublicKey(publicKeyOf(raw))).toEqual(raw);
  expect(() => publicKeyOf(raw.subarray(1))).toThrow(code("KeyInvalid"));
  expect(() => rawPublicKey(generateKeyPairSync("x25519").publicKey)).toThrow(code("KeyInvalid"));
});

test("a signature over one kind never passes for another", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const body = Buffer.from("{}");
  const signature = signMessage("segment", body, privateKey);
  expect(signedMessage("segment", body).toString()).toBe("heauth segment v1\n{}");
  expect(verifyMessage("segment", body, signature, publicKey)).toBe(true);
  expect(verifyMessage("segment", body, signature, rawPublicKey(privateKey))).toBe(true);
  expect(verifyMessage("block", body, signature, publicKey)).toBe(false);
  expect(verifyMessage("segment", body, signature.subarray(1), publicKey)).toBe(false);
});

describe("a registration", () => {
  test.each<JournalProgram>(["sidecar", "identity", "operator", "cli"])("of a journal of %s verifies", (program) => {
    expect(verifyRegistration(register(program), keys.pinned)).toMatchObject({ journal, program });
  });

  test("is refused when its registrar is not pinned, or another program's", () => {
    expect(() => verifyRegistration(register("sidecar"), pinnedKeys([]))).toThrow(code("KeyInvalid"));
    expect(() => verifyRegistration(register("sidecar", "identity"), keys.pinned)).toThrow(code("KeyInvalid"));
    expect(() => verifyRegistration(register("identity", "hub"), keys.pinned)).toThrow(code("KeyInvalid"));
  });

  test("is refused with any byte changed, or a signature of another's", () => {
    const good = register("sidecar");
    const other = register("sidecar");
    for (const part of ["possession", "countersignature"] as const) {
      expect(() => verifyRegistration({ ...good, [part]: other[part] }, keys.pinned)).toThrow(code("SignatureInvalid"));
    }
    const body = Buffer.from(good.body.toString().replace('"opened":1', '"opened":2'));
    expect(() => verifyRegistration({ ...good, body }, keys.pinned)).toThrow(code("SignatureInvalid"));
  });

  test("is not countersigned without possession, or by another than it names", () => {
    const { body } = register("sidecar");
    const { privateKey } = generateKeyPairSync("ed25519");
    const foreign = signPossession(body, privateKey);
    expect(() => countersignRegistration(body, foreign, keys.hub)).toThrow(code("SignatureInvalid"));
    const good = register("sidecar");
    expect(() => countersignRegistration(good.body, good.possession, testSigner("hub"))).toThrow(code("KeyInvalid"));
  });

  test.each<[string, Record<string, Json>]>([
    ["a field more", { more: 1 }],
    ["a key that is none", { key: "AAAA" }],
    ["an unknown program", { program: "hub" }],
    ["a journal that is no UUIDv7", { journal: tenant }],
    ["a pod that is none", { pod: "app" }],
  ])("with %s is refused", (_, change) => {
    const fields = JSON.parse(register("sidecar").body.toString());
    expect(() => parseRegistration(canonicalBytes({ ...fields, ...change }))).toThrow(code("DocumentInvalid"));
  });

  test("says which records its journal may hold", () => {
    const held = (program: JournalProgram) =>
      (
        [
          "decision",
          "action",
          "session.open",
          "session.close",
          "session.amend",
          "identity.x",
          "policy.x",
          "subject.erased",
          "retention.dropped",
        ] as const
      ).filter((type) => mayHold(program, type));
    expect(held("sidecar")).toEqual(["decision", "action"]);
    expect(held("cli")).toEqual(["session.open", "session.close", "identity.x", "subject.erased"]);
    expect(held("identity")).toEqual(["decision", ...held("cli")]);
    expect(held("operator")).toEqual([
      "session.close",
      "session.amend",
      "policy.x",
      "subject.erased",
      "retention.dropped",
    ]);
    for (const program of ["sidecar", "identity", "operator", "cli"] as const) {
      for (const type of ["gap", "journal.open", "journal.close"] as const) expect(mayHold(program, type)).toBe(true);
    }
  });
});

describe("a block header", () => {
  const leaves = [1, 2, 3].map((n) => leafHash(Buffer.from([n])));
  const early = { journal: "0190b2a0-0000-7000-8000-000000000001", first: 3, last: 5, leaves: leaves.slice(0, 1) };
  const late = { journal, first: 0, last: 0, leaves: leaves.slice(1) };
  const draft = { tenant, number: 0, session, opened: 1, closed: 2, reason: "Logout", journals: [late, early] };

  test("has the root of the leaves in journal order", () => {
    const header = parseBlockHeader(buildBlockHeader(draft));
    expect(header).toMatchObject({ count: 3, root: Buffer.from(treeHash(leaves)).toString("base64url") });
    expect(header.journals.map((range) => [range.journal, range.count])).toEqual([
      [early.journal, 1],
      [journal, 2],
    ]);
  });

  test.each<[string, Record<string, Json>]>([
    ["another count", { count: 4 }],
    [
      "ranges out of order",
      {
        journals: [
          { journal, first: 0, last: 0, count: 2 },
          { journal: early.journal, first: 3, last: 5, count: 1 },
        ],
      },
    ],
    ["a range that ends before it begins", { journals: [{ journal, first: 1, last: 0, count: 3 }] }],
    [
      "an empty range",
      {
        journals: [
          { journal, first: 0, last: 0, count: 3 },
          { journal: session, first: 0, last: 0, count: 0 },
        ],
      },
    ],
    ["a previous in the first", { previous: sha256(Buffer.alloc(1)).toString("base64url") }],
    ["none in a later one", { number: 1 }],
  ])("with %s is refused", (_, change) => {
    const fields = JSON.parse(buildBlockHeader(draft).toString());
    expect(() => parseBlockHeader(canonicalBytes({ ...fields, ...change }))).toThrow(code("DocumentInvalid"));
  });

  test("is not built on a hash that is none", () => {
    expect(() => buildBlockHeader({ ...draft, number: 1, previous: Buffer.alloc(31) })).toThrow(
      code("DocumentInvalid"),
    );
  });
});

describe("a key change", () => {
  const change = { tenant, key: pinnedKey("hub", keys.hub.publicKey), at: 1, event: "Retired" } as const;

  test("is signed by the operator", () => {
    const signed = signKeyChange(change, keys.operator);
    expect(parseKeyChange(signed.body)).toMatchObject({ program: "hub", id: keys.hub.id, event: "Retired" });
    expect(verifyKeyChange(signed, keys.operator.publicKey)).toBe(true);
    expect(verifyKeyChange(signed, keys.hub.publicKey)).toBe(false);
  });

  test("with an id that is not the key's is refused", () => {
    const fields = JSON.parse(Buffer.from(signKeyChange(change, keys.operator).body).toString());
    expect(() => parseKeyChange(canonicalBytes({ ...fields, id: "hub-00000000" }))).toThrow(code("DocumentInvalid"));
  });
});

describe("a session statement", () => {
  const statement = (signer = keys.identity) => {
    const key = sha256(Buffer.alloc(1)).toString("base64url");
    const fields = { v: 1, tenant, session, kind: "User", user: tenant, key, opened: 1, expires: 2, signer: signer.id };
    const body = canonicalBytes(fields);
    return { body, signature: signer.sign("session", body) };
  };

  test("is identity's, and only a pinned key's", () => {
    expect(verifyStatement(statement(), keys.pinned)).toMatchObject({ session, user: tenant });
    expect(() => verifyStatement(statement(testSigner("identity")), keys.pinned)).toThrow(code("KeyInvalid"));
    expect(() => verifyStatement(statement(keys.hub), keys.pinned)).toThrow(code("KeyInvalid"));
    const { body } = statement();
    expect(() => verifyStatement({ body, signature: Buffer.alloc(64) }, keys.pinned)).toThrow(code("SignatureInvalid"));
    const signature = keys.identity.sign("key", body);
    expect(() => verifyStatement({ body, signature }, keys.pinned)).toThrow(code("SignatureInvalid"));
  });
});

test("a log entry is the signed message and its signatures", () => {
  const [body, a, b] = [Buffer.from("{}"), Buffer.alloc(64, 1), Buffer.alloc(64, 2)];
  const bytes = (kind: string, ...signatures: Buffer[]): Buffer =>
    Buffer.concat([Buffer.from(`heauth ${kind} v1\n{}`), ...signatures]);
  const registration = { kind: "registration", body, possession: a, countersignature: b } as const;
  expect(entryBytes(registration)).toEqual(bytes("registration", a, b));
  expect(entryBytes({ kind: "segment", header: body, signature: a })).toEqual(bytes("segment", a));
  expect(entryBytes({ kind: "block", header: body })).toEqual(bytes("block"));
  expect(entryBytes({ kind: "key", body, signature: b })).toEqual(bytes("key", b));
  expect(entryLeaf(registration)).toEqual(leafHash(bytes("registration", a, b)));
});
