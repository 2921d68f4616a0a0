/** A name in the form in which it is kept, or what is wrong with it (safe to show to whoever sent it). */
export type NameReading =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly problem: string };

const no = (problem: string): NameReading => ({ ok: false, problem });

const LOGIN_MAX = 128;
/** Scripts with letters that look alike: a login is written in one of them. */
const lookalikes = [
  /\p{Script=Latin}/u,
  /\p{Script=Cyrillic}/u,
  /\p{Script=Greek}/u,
  /\p{Script=Armenian}/u,
  /\p{Script=Cherokee}/u,
];

/**
 * Reads a login: letters, digits and `._+-` in Unicode's NFC, 1 to 128 characters; or an e-mail address, which must then be the user's own
 * (the caller sees to that). Its case is kept and does not matter. Refused are characters that look like others: compatibility forms
 * (full width, ligatures), scripts mixed, anything invisible.
 */
export function readLogin(text: string): NameReading {
  if (text.includes("@")) return readEmail(text);
  if (!text.isWellFormed()) return no("is not well-formed Unicode");
  const value = text.normalize("NFC");
  if (value === "" || [...value].length > LOGIN_MAX) return no(`must have 1 to ${LOGIN_MAX} characters`);
  if (!/^[\p{L}\p{M}\p{N}._+-]+$/u.test(value)) return no("may hold letters, digits and ._+- only");
  if (!/^[\p{L}\p{N}]/u.test(value)) return no("must begin with a letter or a digit");
  if (value.normalize("NFKC") !== value) return no("holds characters that stand for others");
  if (lookalikes.filter((script) => script.test(value)).length > 1) return no("mixes scripts whose letters look alike");
  return { ok: true, value };
}

const EMAIL_MAX = 254;
const LOCAL_MAX = 64;
const atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const localPattern = new RegExp(`^${atom}(?:\\.${atom})*$`);
const domainPattern = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Reads an e-mail address: a dot-atom and a host name (RFC 5321, section 4.1.2), in ASCII; in lower case, because everybody treats the
 * local part so, and two accounts that differ in nothing else would be a trap.
 */
export function readEmail(text: string): NameReading {
  if (text.length > EMAIL_MAX) return no(`must have at most ${EMAIL_MAX} characters`);
  const at = text.lastIndexOf("@");
  const local = text.slice(0, Math.max(at, 0));
  const domain = text.slice(at + 1).toLowerCase();
  if (at < 1 || local.length > LOCAL_MAX || !localPattern.test(local) || !domainPattern.test(domain)) {
    return no("must be an e-mail address in ASCII, such as jo@example.org");
  }
  return { ok: true, value: `${local.toLowerCase()}@${domain}` };
}

const SUBJECT_MAX = 255;

/** Reads what apps are to see as the user (`sub`): 1 to 255 visible ASCII characters, because it travels in headers. */
export function readSubject(text: string): NameReading {
  if (text === "" || text.length > SUBJECT_MAX || !/^[\x21-\x7e]+$/.test(text)) {
    return no(`must have 1 to ${SUBJECT_MAX} visible ASCII characters`);
  }
  return { ok: true, value: text };
}

const SCOPE_MAX = 1024;

/** Reads a scope: scope tokens with single spaces between them (RFC 6749, section 3.3). */
export function readScope(text: string): NameReading {
  if (text.length > SCOPE_MAX || !/^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/.test(text)) {
    return no(`must be scope tokens with single spaces between, at most ${SCOPE_MAX} characters`);
  }
  return { ok: true, value: text };
}
