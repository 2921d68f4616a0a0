import { generateKeyPairSync } from "node:crypto";
import { rawPublicKey, signBytes, signMessage } from "../ed25519.ts";
import { type KeyProgram, type PinnedKeys, type ProgramSigner, pinnedKey, pinnedKeys, programKeyId } from "../keys.ts";

/** A fresh program key. */
export function testSigner(program: KeyProgram): ProgramSigner {
  const { privateKey } = generateKeyPairSync("ed25519");
  const publicKey = rawPublicKey(privateKey);
  return {
    id: programKeyId(program, publicKey),
    publicKey,
    sign: (kind, body) => signMessage(kind, body, privateKey),
    signBytes: (bytes) => signBytes(bytes, privateKey),
  };
}

/** One key for every program, and all of them pinned. */
export type TestKeys = Readonly<Record<KeyProgram, ProgramSigner>> & { readonly pinned: PinnedKeys };

export function testKeys(): TestKeys {
  const signers = {
    identity: testSigner("identity"),
    hub: testSigner("hub"),
    operator: testSigner("operator"),
    cli: testSigner("cli"),
  };
  const pinned = pinnedKeys(
    (Object.keys(signers) as KeyProgram[]).map((program) => pinnedKey(program, signers[program].publicKey)),
  );
  return { ...signers, pinned };
}
