import { fieldProblem } from "@heauth/core/resources";
import { type Document, isNode, LineCounter, parseAllDocuments } from "yaml";
import type { SourceProblem } from "./source.ts";

/** Larger files are no resources. */
export const maxFileBytes = 1_048_576;

/** One document of a file. */
export interface SourceDocument {
  readonly file: string;
  readonly value: unknown;
  /** The line on which a field is written, or the nearest one that holds it. */
  lineOf(path: readonly (string | number)[]): number;
}

export type ParsedFile =
  | { readonly ok: true; readonly documents: readonly SourceDocument[] }
  | { readonly ok: false; readonly problems: readonly SourceProblem[] };

/** Parses a YAML 1.2 file of any number of documents. Problems never quote the file: it may hold Secrets. */
export function parseYamlDocuments(file: string, text: string): ParsedFile {
  if (text.length > maxFileBytes) {
    return { ok: false, problems: [{ ...wholeFile(`at most ${maxFileBytes} bytes`), file }] };
  }
  const lineCounter = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter, prettyErrors: false, version: "1.2", schema: "core" });
  if ("empty" in parsed) return { ok: true, documents: [] };

  const problems: SourceProblem[] = [];
  const documents: SourceDocument[] = [];
  for (const document of parsed) {
    // The first one: what follows it is most often its consequence.
    for (const { code, pos } of [...document.errors, ...document.warnings].slice(0, 1)) {
      const { line, col } = lineCounter.linePos(pos[0]);
      problems.push({ ...wholeFile(`well-formed YAML (${code} in column ${col})`), file, line });
    }
    const value = document.errors.length > 0 ? null : plainValue(document);
    if (value === tooManyAliases) problems.push({ ...wholeFile("YAML without deeply nested aliases"), file });
    else if (value !== null) {
      documents.push({ file, value, lineOf: (path) => lineOf(document, lineCounter, path) });
    }
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, documents };
}

const tooManyAliases = Symbol();

function plainValue(document: Document.Parsed): unknown {
  try {
    return document.toJS({ maxAliasCount: 50 }) as unknown;
  } catch {
    return tooManyAliases;
  }
}

function lineOf(document: Document.Parsed, lineCounter: LineCounter, path: readonly (string | number)[]): number {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lineCounter.linePos(node.range[0]).line;
  }
  return lineCounter.linePos(document.contents?.range[0] ?? document.range[0]).line;
}

function wholeFile(expected: string) {
  return fieldProblem("Invalid", [], undefined, expected);
}
