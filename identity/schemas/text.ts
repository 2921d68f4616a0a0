import {
  isPasswordText,
  type NameReading,
  PASSWORD_MAX_BYTES,
  readEmail,
  readLogin,
  readScope,
  readSubject,
} from "@heauth/core/users";
import * as z from "zod";

/** A string that one of the readers of names takes; it arrives in the form in which it is kept. */
function read(reader: (text: string) => NameReading, max: number) {
  return z
    .string()
    .max(max)
    .overwrite((text) => {
      const reading = reader(text);
      return reading.ok ? reading.value : text;
    })
    .superRefine((text, context) => {
      const reading = reader(text);
      if (!reading.ok) context.addIssue({ code: "custom", message: reading.problem });
    });
}

/** A login, or an e-mail address in its place. */
export const login = () =>
  read(readLogin, 254).meta({
    description: "A login: letters, digits and ._+-, or the user's own e-mail address. Case does not matter.",
  });
export const email = () =>
  read(readEmail, 254).meta({ description: "An e-mail address in ASCII; kept in lower case." });
export const subject = () =>
  read(readSubject, 255).meta({ description: "What apps see as the user; the user's id when absent." });
export const scope = () =>
  read(readScope, 1024).meta({ description: "Scope tokens with single spaces between them (RFC 6749)." });

/** A password, not yet judged. */
export const password = () =>
  z
    .string()
    .min(1)
    .max(PASSWORD_MAX_BYTES)
    .refine(isPasswordText, { error: "must be text without control characters" })
    .meta({ description: "A password." });

/** A token, not yet looked into. */
export const token = () => z.string().min(1).max(8192).meta({ description: "A token." });

/** Any short text that is only shown again: no control characters. */
export const shortText = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((text) => text.isWellFormed() && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text), {
      error: "must be text without control characters",
    });
