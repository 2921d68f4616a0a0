/** The longest request target, path and query, in characters. */
export const maxTarget = 8192;

export interface NormalisedTarget {
  /** The path as Envoy passes it on to the app. */
  readonly path: string;
  /** The same with every percent-encoding resolved: what rules are compared with. */
  readonly decoded: string;
  /** Without `?`; undefined where there is none. */
  readonly query: string | undefined;
}

/**
 * Normalises a request target the way Envoy does under `normalize_path`, `merge_slashes` and
 * `path_with_escaped_slashes_action: REJECT_REQUEST` (RFC 3986 sections 6.2.2.2 and 6.2.2.3): unreserved characters are decoded,
 * what may not stand in a path is encoded, dot segments are removed, slashes merged.
 *
 * What passes is what Envoy makes of it, and normalising it again changes nothing. It refuses more than Envoy does: everything that
 * an app could read in another way (backslashes, broken or double encodings that hide a separator, dot segments with parameters).
 * @returns undefined when the target is ambiguous
 */
export function normaliseTarget(target: string): NormalisedTarget | undefined {
  if (target.length > maxTarget || !/^\/[\x21\x22\x24-\x7e]*$/.test(target)) return undefined;
  const mark = target.indexOf("?");
  const raw = mark === -1 ? target : target.slice(0, mark);
  const query = mark === -1 ? undefined : target.slice(mark + 1);
  if (plain.test(raw)) return { path: raw, decoded: raw, query };

  if (raw.includes("\\") || /%(?![0-9A-Fa-f]{2})|%(?:2[Ff]|5[Cc]|00)/.test(raw)) return undefined;
  const unmerged = withoutDotSegments(encodeForbidden(decodeUnreserved(raw)));
  if (onlySlashes.test(unmerged)) return undefined;
  const path = unmerged.replace(/\/{2,}/g, "/");
  const decoded = decode(path);
  return decoded === undefined || hidesAnotherPath(path) ? undefined : { path, decoded, query };
}

/** Segments that begin with no dot and hold nothing that needs a look: by far the most requests. */
const plain = /^\/$|^(?:\/[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*)+\/?$/;

/** Envoy turns `///` into `//`, which is no path of ours. */
const onlySlashes = /^\/{2,}$/;

function decodeUnreserved(path: string): string {
  return path.replace(/%([0-9A-Fa-f]{2})/g, (encoded, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : encoded;
  });
}

function encodeForbidden(path: string): string {
  return path.replace(/["<>^`{|}]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** RFC 3986 section 5.2.4, before slashes are merged: an empty segment is one that `..` takes away. */
function withoutDotSegments(path: string): string {
  const kept: string[] = [];
  const segments = path.split("/").slice(1);
  for (const [index, segment] of segments.entries()) {
    const last = index === segments.length - 1;
    if (segment === "..") kept.pop();
    else if (segment !== ".") kept.push(segment);
    if (last && (segment === "." || segment === "..")) kept.push("");
  }
  return `/${kept.join("/")}`;
}

/** Resolves every percent-encoding once; undefined when the result is not UTF-8 (an overlong slash is not). */
function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

/** Whether decoding again, as a careless app would, brings out a separator, a NUL or a dot segment that is not there yet. */
function hidesAnotherPath(path: string): boolean {
  const slashes = path.split("/").length;
  for (let seen = path, round = 0; round < 8; round++) {
    const segments = seen.split("/");
    if (segments.length !== slashes || /[\\\0]/.test(seen)) return true;
    if (segments.some((segment) => /^\.{1,2}(;|$)/.test(segment))) return true;
    const next = seen.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
    if (next === seen) return false;
    seen = next;
  }
  return true;
}
