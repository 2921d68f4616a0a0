import { describe, expect, test } from "@jest/globals";
import { hash as bcryptHash } from "bcrypt";
import { isCommonPassword } from "./common-passwords.ts";
import { dummyHash, hashPassword, needsRehash, verifyPassword } from "./password-hash.ts";
import { passwordProblem } from "./password-rules.ts";

const argon = { minLength: 12, hash: "Argon2id" } as const;
const bcrypt = { minLength: 12, hash: "Bcrypt" } as const;

describe("hashes", () => {
  test.each(["Argon2id", "Bcrypt"] as const)("%s fits its own password only", async (algorithm) => {
    const hash = await hashPassword("correct horse battery", algorithm);
    expect(await verifyPassword(hash, "correct horse battery")).toBe(true);
    expect(await verifyPassword(hash, "correct horse batterz")).toBe(false);
    expect(await verifyPassword(hash, "")).toBe(false);
    expect(needsRehash(hash, algorithm)).toBe(false);
    expect(needsRehash(hash, algorithm === "Bcrypt" ? "Argon2id" : "Bcrypt")).toBe(true);
    expect(await verifyPassword(await dummyHash(algorithm), "correct horse battery")).toBe(false);
  });

  test("the parameters are OWASP's", async () => {
    expect(await hashPassword("x", "Argon2id")).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  });

  test("the same characters typed on another system are the same password", async () => {
    const hash = await hashPassword("Zu\u0308rich an der Limmat", "Argon2id");
    expect(await verifyPassword(hash, "Z\u00fcrich an der Limmat")).toBe(true);
  });

  test("nothing is cut: 64 characters and more count to the last", async () => {
    const long = "x".repeat(200);
    const hash = await hashPassword(`${long}a`, "Argon2id");
    expect(await verifyPassword(hash, `${long}b`)).toBe(false);
  });

  test("bcrypt refuses what it would cut, new and old", async () => {
    const long = "y".repeat(72);
    await expect(hashPassword(`${long}a`, "Bcrypt")).rejects.toMatchObject({ code: "PasswordUnusable" });
    await expect(hashPassword("nul\0byte", "Bcrypt")).rejects.toMatchObject({ code: "PasswordUnusable" });
    expect(await verifyPassword(await bcryptHash(long, 4), `${long}a`)).toBe(false);
    expect(await verifyPassword(await bcryptHash(long, 4), long)).toBe(true);
    expect(needsRehash(await bcryptHash(long, 4), "Bcrypt")).toBe(true);
  });

  test.each(["", "plain", "$argon2id$broken", "$2b$12$broken", "$6$sha512$crypt"])("%j fits nothing", async (hash) => {
    expect(await verifyPassword(hash, "plain")).toBe(false);
  });
});

describe("rules", () => {
  test.each([
    ["a passphrase", "vier Kühe im Regen", undefined],
    ["twelve characters outside the BMP", "🐄🐎🐖🐏🐓🦆🐈🐕🦜🐇🐿🦔", undefined],
    ["too short", "zwölf minus", "PasswordTooShort"],
    ["1024 bytes", `${"lange Sätze ".repeat(60)}`.slice(0, 900), undefined],
    ["over 1024 bytes", "lang und länger ".repeat(70), "PasswordTooLong"],
    ["a NUL byte", "vier Kühe\0im Regen", "PasswordNotText"],
    ["a line feed", "vier Kühe\nim Regen", "PasswordNotText"],
    ["a lone surrogate", "vier Kühe \ud800 im Regen", "PasswordNotText"],
    ["a common word with decoration", "Password12345!", "PasswordCommon"],
    ["login and digits", "doctor.who-2026", "PasswordFromContext"],
    ["e-mail and a little", "who@gallifrey.example1", "PasswordFromContext"],
    ["the login within a sentence", "doctor.who likes jelly babies", undefined],
  ])("%s", (_, password, expected) => {
    expect(passwordProblem(password, argon, ["doctor.who", "who@gallifrey.example", "acme"])).toBe(expected);
  });

  test("bcrypt takes 72 bytes and no more", () => {
    const text = "Sätze mit Umlauten zählen in Bytes, nicht in Zeichen: ";
    expect(passwordProblem(text.padEnd(70, "qwx"), bcrypt, [])).toBeUndefined();
    expect(passwordProblem(text.padEnd(71, "qwx"), bcrypt, [])).toBe("PasswordTooLong");
  });

  test.each([
    "password",
    "P@ssw0rd2026",
    "qwertyuiop",
    "poiuytrewq",
    "123456789012345",
    "987654321098765",
    "aaaaaaaaaaaaaaaa",
    "abababababababab",
    "letmein!!!!!!!!",
    "passwordpassword",
    "admin-admin-admin",
    "Welcome-12345678",
    "111111222222333",
  ])("%s is common", (password) => {
    expect(isCommonPassword(password)).toBe(true);
  });

  test.each(["correct horse battery staple", "Tr0ub4dor&3xylophone", "jK8#mQ2vLp9xRt4", "dragon eats 7 blue trains"])(
    "%s is not",
    (password) => {
      expect(isCommonPassword(password)).toBe(false);
    },
  );
});
