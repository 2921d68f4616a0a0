import type { CompiledMatch } from "./compiled.ts";

/** Whether a match is for the request. `path` is the decoded, normalised path. */
export type Matcher = (method: string, path: string) => boolean;

/**
 * Prepares a rule's matches: any of them will do.
 * `Exact` compares the whole path; `PathPrefix` compares by elements, a trailing slash of the prefix means nothing (Gateway API,
 * HTTPPathMatch). Percent-encodings are resolved on both sides, so that `/%21` is no way around a rule for `/!`.
 */
export function prepareMatches(matches: readonly CompiledMatch[]): Matcher {
  const matchers = matches.map((match): Matcher => {
    const methods = match.methods.length === 0 ? undefined : new Set(match.methods);
    const value = decodeURIComponent(match.path);
    const matchesPath = match.type === "Exact" ? exact(value) : prefix(value);
    return (method, path) => (methods === undefined || methods.has(method)) && matchesPath(path);
  });
  return (method, path) => matchers.some((matches) => matches(method, path));
}

function exact(value: string): (path: string) => boolean {
  return (path) => path === value;
}

function prefix(value: string): (path: string) => boolean {
  const elements = value.endsWith("/") ? value.slice(0, -1) : value;
  const below = `${elements}/`;
  return (path) => path === elements || path.startsWith(below);
}
