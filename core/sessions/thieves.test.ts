import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { newProgramKeyFile, parseProgramKeyFile } from "../keys/index.ts";
import { publicKeyOf, rawPublicKey } from "../ledger/ed25519.ts";
import { mintAccessToken, parseAccessToken, verifyAccessToken } from "../tokens/index.ts";
import { SESSION, TENANT, testSession, USER } from "../tokens/testing/session.ts";
import { deriveRefreshKey, deriveSessionKeyPair, newSessionKey } from "./session-key.ts";
import { signSessionStatement, verifySessionStatement } from "./statement.ts";

const sessionKey = newSessionKey();
const serverSecret = Buffer.alloc(32, 9);
const material = { sessionKey, serverSecret, tenant: TENANT, session: SESSION };
const pair = deriveSessionKeyPair(material);
const identity = parseProgramKeyFile(newProgramKeyFile("identity"), "identity");
const pinned = new Map([[identity.id, publicKeyOf(identity.publicKey)]]);
const statement = {
  tenant: TENANT,
  session: SESSION,
  kind: "User",
  user: USER,
  publicKey: pair.publicKey,
  opened: 1_795_176_000_000_000,
  expires: 1_795_219_200_000_000,
} as const;
const signed = signSessionStatement(statement, identity);
const { claims, tagKey } = testSession();

/** Whether a sidecar that holds the statement takes a token signed with this private key. */
function isTaken(privateKey: Parameters<typeof mintAccessToken>[1]["privateKey"]): boolean {
  const known = verifySessionStatement(signed, pinned, { tenant: TENANT, session: SESSION });
  const parsed = parseAccessToken(mintAccessToken(claims, { privateKey, tagKey }));
  if (known === undefined || !parsed.ok) throw new Error("the session itself must be good");
  return verifyAccessToken(parsed.token, publicKeyOf(known.publicKey)).ok;
}

test("identity, which has both secrets, can mint", () => {
  expect(isTaken(pair.privateKey)).toBe(true);
  expect(isTaken(deriveSessionKeyPair({ ...material }).privateKey)).toBe(true);
});

test("a thief of the database cannot mint: the server secret is not there", () => {
  const guesses = [Buffer.alloc(0), Buffer.alloc(32), sessionKey, Buffer.from(TENANT), pair.publicKey, signed.bytes];
  for (const guess of guesses)
    expect(isTaken(deriveSessionKeyPair({ ...material, serverSecret: guess }).privateKey)).toBe(false);
});

test("a thief of the server secret cannot mint: the session key is not there", () => {
  const guesses = [Buffer.alloc(0), Buffer.alloc(32), serverSecret, newSessionKey(), pair.publicKey];
  for (const guess of guesses)
    expect(isTaken(deriveSessionKeyPair({ ...material, sessionKey: guess }).privateKey)).toBe(false);
});

test("a sidecar cannot mint: it has public keys and the tag key only", () => {
  expect(() => mintAccessToken(claims, { privateKey: createPublicKey(pair.privateKey), tagKey })).toThrow();
  const fromPublic = deriveSessionKeyPair({ ...material, sessionKey: pair.publicKey, serverSecret: tagKey.key });
  expect(isTaken(fromPublic.privateKey)).toBe(false);
});

test("each session and each tenant has keys of its own, whatever else is the same", () => {
  const others = [
    { ...material, session: SESSION.replace(/1$/, "2") },
    { ...material, tenant: TENANT.replace(/a$/, "b") },
    { ...material, tenant: SESSION, session: TENANT },
  ];
  for (const other of others) {
    expect(isTaken(deriveSessionKeyPair(other).privateKey)).toBe(false);
    expect(deriveRefreshKey(other)).not.toEqual(deriveRefreshKey(material));
  }
});

test("refresh key and signing key are independent", () => {
  const seed = pair.privateKey.export({ format: "der", type: "pkcs8" }).subarray(-32);
  expect(deriveRefreshKey(material)).not.toEqual(Buffer.from(seed));
});

test("nobody outside can even verify: the public key is nowhere in the token", () => {
  const token = mintAccessToken(claims, { privateKey: pair.privateKey, tagKey });
  const decoded = token.split(".").map((part) => Buffer.from(part, "base64url"));
  const forms = [
    pair.publicKey,
    ...["hex", "base64", "base64url"].map((each) => Buffer.from(pair.publicKey.toString(each as "hex"))),
  ];
  for (const part of decoded) for (const form of forms) expect(part.includes(form)).toBe(false);
});

test("revoking ends every token: without the session key nothing can be derived again", () => {
  const again = deriveSessionKeyPair({ ...material, sessionKey: newSessionKey() });
  expect(again.publicKey).not.toEqual(pair.publicKey);
});

describe("who can write the database or the hub's answers", () => {
  const thief = generateKeyPairSync("ed25519").privateKey;
  const thiefSigner = parseProgramKeyFile(newProgramKeyFile("identity"), "identity");
  const expected = { tenant: TENANT, session: SESSION };

  test("cannot put in a key of his own", () => {
    const swapped = Buffer.from(
      signed.bytes.toString().replace(pair.publicKey.toString("base64url"), rawPublicKey(thief).toString("base64url")),
    );
    expect(swapped).not.toEqual(signed.bytes);
    expect(verifySessionStatement({ ...signed, bytes: swapped }, pinned, expected)).toBeUndefined();
  });

  test("cannot make a session: his signer is not pinned, and another's id does not help", () => {
    const own = signSessionStatement({ ...statement, publicKey: rawPublicKey(thief) }, thiefSigner);
    expect(verifySessionStatement(own, pinned, expected)).toBeUndefined();
    const lying = signSessionStatement(
      { ...statement, publicKey: rawPublicKey(thief) },
      { ...thiefSigner, id: identity.id },
    );
    expect(verifySessionStatement(lying, pinned, expected)).toBeUndefined();
  });

  test("cannot pass one session's statement off as another's", () => {
    expect(verifySessionStatement(signed, pinned, { ...expected, session: USER })).toBeUndefined();
    expect(verifySessionStatement(signed, pinned, { ...expected, tenant: USER })).toBeUndefined();
  });

  test("cannot use identity's signature over anything else", () => {
    const body = Buffer.from(signed.bytes);
    const elsewhere = { bytes: body, signature: identity.sign("segment", body) };
    expect(verifySessionStatement(elsewhere, pinned, expected)).toBeUndefined();
  });

  test.each([
    ["empty", ""],
    ["not JSON", "{"],
    ["not canonical", ` ${signed.bytes.toString()}`],
    ["a key twice", signed.bytes.toString().replace('"v":1', '"v":1,"v":1')],
    ["another version", signed.bytes.toString().replace('"v":1', '"v":2')],
    ["another kind", signed.bytes.toString().replace('"User"', '"Root"')],
    ["an extra field", signed.bytes.toString().replace('"v":1', '"v":1,"w":1')],
    ["a field less", signed.bytes.toString().replace(/"opened":\d+,/, "")],
    ["nested too deep", "[".repeat(5000)],
  ])("gets nowhere with %s, even signed", (_, text) => {
    const bytes = Buffer.from(text);
    expect(
      verifySessionStatement({ bytes, signature: identity.sign("session", bytes) }, pinned, expected),
    ).toBeUndefined();
  });
});

test("a statement says what it was given, in the documented form", () => {
  expect(verifySessionStatement(signed, pinned, { tenant: TENANT, session: SESSION })).toEqual({
    ...statement,
    signer: identity.id,
  });
  expect(Object.keys(JSON.parse(signed.bytes.toString()))).toEqual([
    "expires",
    "key",
    "kind",
    "opened",
    "session",
    "signer",
    "tenant",
    "user",
    "v",
  ]);
});
