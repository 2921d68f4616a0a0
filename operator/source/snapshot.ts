import {
  type AuthPolicy,
  type FieldProblem,
  fieldProblem,
  type Tenant,
  validateResource,
} from "@heauth/core/resources";
import { type Namespace, readNamespaceDocument } from "./namespace.ts";
import { readSecretDocument, type Secret } from "./secret.ts";
import type { Observed, ObservedMeta, SourceProblem } from "./source.ts";
import { parseYamlDocuments, type SourceDocument } from "./yaml-documents.ts";

/** What a folder's files say, together with what stays in force of what they said before. */
export interface Snapshot {
  /** By `<kind>/<namespace>/<name>`. */
  readonly entries: ReadonlyMap<string, Entry>;
  /** Everything that is wrong, by file. */
  readonly problems: readonly SourceProblem[];
  /** Whether there are files, or documents in them, that do not even say what they are. */
  readonly incomplete: boolean;
}

export interface Entry extends Observed<Tenant | AuthPolicy | Secret | Namespace> {
  readonly files: readonly string[];
}

/** A file's text, or why it can't be read. */
export type FileContent = { readonly text: string } | { readonly unreadable: string };

export const emptySnapshot: Snapshot = { entries: new Map(), problems: [], incomplete: false };

/**
 * Reads a folder's files.
 * - A document that is not valid keeps its last good version in force.
 * - A file that can't be read, is empty, or has a document that does not say what it is, takes nothing away.
 * - The same resource twice is in force as it was before the second one came.
 */
export function takeSnapshot(files: ReadonlyMap<string, FileContent>, previous: Snapshot): Snapshot {
  const documents = new Map<string, SourceDocument[]>();
  const broken = new Map<string, SourceProblem[]>();
  for (const [file, content] of files) {
    const { named, problems } = readFile(file, content);
    if (problems.length > 0) broken.set(file, problems);
    for (const { key, document } of named) documents.set(key, [...(documents.get(key) ?? []), document]);
  }

  const entries = new Map<string, Entry>();
  for (const [key, written] of documents) entries.set(key, entryOf(written, previous.entries.get(key)));
  for (const [key, entry] of previous.entries) {
    const problems = entry.files.flatMap((file) => broken.get(file) ?? []);
    if (!entries.has(key) && problems.length > 0) entries.set(key, { ...entry, problems });
  }
  const problems = new Set([...broken.values(), ...[...entries.values()].map((entry) => entry.problems)].flat());
  return { entries, problems: [...problems], incomplete: broken.size > 0 };
}

interface ReadFile {
  readonly named: readonly { readonly key: string; readonly document: SourceDocument }[];
  readonly problems: SourceProblem[];
}

function readFile(file: string, content: FileContent): ReadFile {
  if ("unreadable" in content) {
    return { named: [], problems: [{ ...fieldProblem("Invalid", [], undefined, content.unreadable), file }] };
  }
  // An editor that was interrupted, or a full disk, leaves it so.
  if (content.text.trim() === "") {
    const expected = "a document; to remove what the file held, remove the file";
    return { named: [], problems: [{ ...fieldProblem("Invalid", [], undefined, expected), file }] };
  }
  const parsed = parseYamlDocuments(file, content.text);
  if (!parsed.ok) return { named: [], problems: [...parsed.problems] };
  const named: { key: string; document: SourceDocument }[] = [];
  const problems: SourceProblem[] = [];
  for (const document of parsed.documents) {
    const key = keyOf(document.value);
    if (typeof key === "string") named.push({ key, document });
    else problems.push(located(key, document));
  }
  return { named, problems };
}

/** Which resource a document is of, or what keeps it from saying so. */
function keyOf(value: unknown): string | FieldProblem {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return fieldProblem("Invalid", [], undefined, "an object with apiVersion, kind, metadata");
  }
  const { kind, metadata } = value as Record<string, unknown>;
  if (kind !== "Tenant" && kind !== "AuthPolicy" && kind !== "Secret" && kind !== "Namespace") {
    const expected = "Tenant, AuthPolicy, Secret or Namespace";
    return fieldProblem(kind === undefined ? "Required" : "Invalid", ["kind"], kind, expected);
  }
  const { name, namespace = "" } = (metadata ?? {}) as Record<string, unknown>;
  if (typeof name !== "string" || !name || name.includes("/")) {
    return fieldProblem(name === undefined ? "Required" : "Invalid", ["metadata", "name"], name, "a name");
  }
  if (typeof namespace !== "string" || namespace.includes("/")) {
    return fieldProblem("Invalid", ["metadata", "namespace"], namespace, "a namespace's name");
  }
  return `${kind}/${kind === "AuthPolicy" ? namespace : ""}/${name}`;
}

function entryOf(written: readonly SourceDocument[], before: Entry | undefined): Entry {
  const files = [...new Set(written.map(({ file }) => file))];
  const [document] = written;
  const meta = metaOf(document?.value);
  if (document === undefined || written.length > 1) {
    const places = written.map((each) => `${each.file}:${each.lineOf([])}`).join(" and ");
    const problems = written.map((each) =>
      located(fieldProblem("Duplicate", ["metadata", "name"], undefined, `one document, not ${places}`), each),
    );
    return { files, inForce: before?.inForce, problems, meta };
  }
  const read = readDocument(document.value, before?.inForce);
  if (read.ok) return { files, inForce: read.resource, problems: [], meta };
  return { files, inForce: before?.inForce, problems: read.problems.map((each) => located(each, document)), meta };
}

function readDocument(value: unknown, inForce: Entry["inForce"]) {
  const { kind } = value as { kind?: unknown };
  if (kind === "Secret") return readSecretDocument(value);
  if (kind === "Namespace") return readNamespaceDocument(value);
  const old = inForce !== undefined && "spec" in inForce ? inForce : undefined;
  return validateResource(value, { inPods: false, ...(old !== undefined && { old }) });
}

/** Files have no finalizers, generations or uids: that what is written there says so changes nothing. */
function metaOf(value: unknown): ObservedMeta {
  const { metadata } = (value ?? {}) as { metadata?: { annotations?: unknown } | null };
  const annotations = Object.entries(metadata?.annotations ?? {}).filter(([, text]) => typeof text === "string");
  return { deleting: false, annotations: Object.fromEntries(annotations) as Record<string, string>, finalizers: [] };
}

function located(problem: FieldProblem, document: SourceDocument): SourceProblem {
  return { ...problem, file: document.file, line: document.lineOf(problem.path) };
}
