import { networkInterfaces } from "node:os";
import { z } from "zod";

/** What a setting's schema carries besides its type. */
export interface SettingNotes {
  /** One sentence for the help text and the docs. */
  description: string;
  /** A value that works, as one would write it in a flag. */
  example: string;
  /**
   * `secret`: never read from a flag, may come from the file that `HEAUTH_…_FILE` names, never printed.
   * `url`: a URL that may carry a password, which is never printed.
   */
  holds?: "secret" | "url";
}

/** Completes a schema into a setting. The notes belong to the outermost schema: add defaults before. */
export function setting<S extends z.ZodType>(schema: S, notes: SettingNotes): S {
  return schema.meta({ ...notes });
}

/** The notes of a setting; a schema without them is a mistake in the program. */
export function notesOf(key: string, schema: z.ZodType): SettingNotes {
  const notes = schema.meta() as Partial<SettingNotes> | undefined;
  if (typeof notes?.example !== "string" || typeof notes.description !== "string") {
    throw new TypeError(`${key} is not a setting: it has no description or no example`);
  }
  return notes as SettingNotes;
}

/** Where to listen or to connect. */
export interface HostPort {
  host: string;
  port: number;
}

/** `HOST:PORT`, an IPv6 address in brackets; host `*` is every address, of IPv6 too where there is any; port 0 asks for a free one. */
export function hostPort() {
  return z.string().transform((text, context): HostPort => {
    const found = /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<host>\*|[A-Za-z0-9.-]+)):(?<port>\d{1,5})$/.exec(text)?.groups;
    const port = Number(found?.["port"]);
    const host = found?.["v6"] ?? found?.["host"];
    if (host === undefined || !(port <= 65_535)) {
      context.issues.push({ code: "custom", message: "must be HOST:PORT", input: text });
      return z.NEVER;
    }
    return { host: host === "*" ? everyAddress() : host, port };
  });
}

/** `::` takes IPv4 as well, but can't be listened on where the kernel has no IPv6. */
function everyAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return addresses.some(({ family }) => family === "IPv6") ? "::" : "0.0.0.0";
}

/** The inverse of `hostPort`. */
export function formatHostPort({ host, port }: HostPort): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** A duration such as `250ms`, `30s`, `1h30m` (GEP-2257), as milliseconds. */
export function durationMs() {
  return z.string().transform((text, context): number => {
    if (!/^(?:\d{1,5}(?:ms|s|m|h)){1,4}$/.test(text)) {
      context.issues.push({ code: "custom", message: "must be a duration", input: text });
      return z.NEVER;
    }
    const terms = [...text.matchAll(/(\d+)(ms|s|m|h)/g)];
    return terms.reduce((sum, [, count, unit]) => sum + Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS], 0);
  });
}
