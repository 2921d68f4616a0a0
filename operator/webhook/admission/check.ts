import { isDeepStrictEqual } from "node:util";
import { ruleProblems } from "@heauth/core/policy";
import {
  authPolicySchema,
  type FieldProblem,
  fieldProblem,
  type Resource,
  tenantSchema,
  validateResource,
} from "@heauth/core/resources";
import type { AdmissionRequest } from "./review.ts";

/** What the answer rests on: what is wrong, and the resource where nothing is. */
export interface Checked {
  readonly problems: readonly FieldProblem[];
  /** With its defaults; absent where nothing was checked. */
  readonly resource?: Resource;
}

const NOTHING: Checked = { problems: [] };

/** Checks what is to be stored. */
export function checkRequest({ kind, subResource, operation, object, oldObject }: AdmissionRequest): Checked {
  if (kind.group !== "heauth.io" || kind.version !== "v1alpha1" || subResource) {
    const found = `${kind.group}/${kind.version} ${kind.kind}${subResource ? `/${subResource}` : ""}`;
    return {
      problems: [fieldProblem("NotSupported", ["kind"], found, "a Tenant or AuthPolicy of heauth.io/v1alpha1")],
    };
  }
  // A deletion harms nothing that is not meant: data goes by the Tenant's finalizer and reclaimPolicy, and pods of a policy that is gone deny.
  if (operation === "DELETE" || operation === "CONNECT") return NOTHING;
  // What was stored before the rules were these can still be labelled, and above all lose its finalizers.
  if (operation === "UPDATE" && isDeepStrictEqual(object?.["spec"], oldObject?.["spec"])) return NOTHING;

  const old = operation === "UPDATE" ? readOld(oldObject) : undefined;
  const validated = validateResource(object, old === undefined ? {} : { old });
  if (!validated.ok) return { problems: validated.problems };
  const { resource } = validated;
  return { problems: resource.kind === "AuthPolicy" ? ruleProblems(resource) : [], resource };
}

/** What is there now; undefined where today's schema does not know it: the API server itself holds the rules on changes too. */
function readOld(document: unknown): Resource | undefined {
  const { kind } = (document ?? {}) as { kind?: unknown };
  return (kind === "Tenant" ? tenantSchema : authPolicySchema).safeParse(document).data;
}
