import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { verifyMessage } from "../ledger/ed25519.ts";
import { pinnedKey } from "../ledger/keys.ts";
import {
  KeyError,
  newProgramKeyFile,
  newServerSecretsFile,
  parseProgramKeyFile,
  parseServerSecretsFile,
} from "./index.ts";

/** The error's text, which must not hold anything of the file's secrets. */
function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof KeyError && error.code === "KeyFileInvalid") return error.message;
    throw error;
  }
  throw new Error("was taken");
}

describe("a program key", () => {
  const file = newProgramKeyFile("identity");
  const key = parseProgramKeyFile(file, "identity");
  const edited = (changes: object): string => JSON.stringify({ ...JSON.parse(file), ...changes });

  test("signs in a domain, and its pinned half verifies", () => {
    const signature = key.sign("session", Buffer.from("{}"));
    const pinned = pinnedKey("identity", key.publicKey);
    expect(key.id).toMatch(/^identity-[0-9a-f]{8}$/);
    expect(pinned.id).toBe(key.id);
    const publicKey = pinned.key;
    expect(verifyMessage("session", Buffer.from("{}"), signature, publicKey)).toBe(true);
    expect(verifyMessage("segment", Buffer.from("{}"), signature, publicKey)).toBe(false);
  });

  test.each([
    ["of another program", file.replaceAll("identity", "hub")],
    ["with another public key", edited({ publicKey: Buffer.alloc(32).toString("base64url") })],
    ["with another id", edited({ id: "identity-00000000" })],
    [
      "with a mangled private key",
      edited({ privateKey: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----" }),
    ],
    [
      "of another kind",
      edited({ privateKey: generateKeyPairSync("ed448").privateKey.export({ format: "pem", type: "pkcs8" }) }),
    ],
    ["with a field too many", edited({ extra: 1 })],
    ["without private key", edited({ privateKey: undefined })],
    ["that is not JSON", `${file}}`],
    ["that is empty", ""],
  ])("%s is refused, and nothing of it told", (_, text) => {
    const secret = JSON.parse(file).privateKey.split("\n")[1];
    expect(refusal(() => parseProgramKeyFile(text, "identity"))).not.toContain(secret);
  });
});

describe("server secrets", () => {
  const file = newServerSecretsFile();
  const { current, secrets } = JSON.parse(file);

  test("the current one is used, older ones stay readable, unknown ones are an error", () => {
    const older = { id: "older", secret: Buffer.alloc(32, 1).toString("base64url") };
    const read = parseServerSecretsFile(JSON.stringify({ current, secrets: [older, ...secrets] }));
    expect(read.current).toEqual({ id: current, secret: Buffer.from(secrets[0].secret, "base64url") });
    expect(read.get("older").secret).toEqual(Buffer.alloc(32, 1));
    expect(() => read.get("gone")).toThrow(expect.objectContaining({ code: "ServerSecretUnknown" }));
  });

  test.each([
    ["that is not JSON", `${file}}`],
    ["without secrets", JSON.stringify({ current, secrets: [] })],
    ["with an unknown current", JSON.stringify({ current: "gone", secrets })],
    ["with an id twice", JSON.stringify({ current, secrets: [...secrets, ...secrets] })],
    ["with a short secret", JSON.stringify({ current, secrets: [{ id: current, secret: "AAAA" }] })],
  ])("a file %s is refused, and nothing of it told", (_, text) => {
    expect(refusal(() => parseServerSecretsFile(text))).not.toContain(secrets[0].secret);
  });
});
