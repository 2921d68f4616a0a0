import { fieldProblem } from "@heauth/core/resources";
import * as z from "zod";
import { labelValue } from "./secret.ts";

/** A core/v1 Namespace as it may stand in a folder: for its labels alone. */
const namespaceSchema = z.looseObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("Namespace"),
  metadata: z.looseObject({ name: z.string().min(1), labels: z.record(z.string(), labelValue).optional() }),
});

export interface Namespace {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Reads a Namespace. */
export function readNamespaceDocument(document: unknown) {
  const parsed = namespaceSchema.safeParse(document);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, code }) =>
      fieldProblem("Invalid", path, undefined, `a v1 Namespace (${code})`),
    );
    return { ok: false, problems } as const;
  }
  const { name, labels = {} } = parsed.data.metadata;
  const namespace: Namespace = { name, labels };
  return { ok: true, resource: namespace } as const;
}
