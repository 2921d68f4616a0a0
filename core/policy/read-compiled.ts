import * as z from "zod";
import { parseCanonical } from "../ledger/canonical.ts";
import { LedgerError } from "../ledger/errors.ts";
import { digestOf } from "./compile.ts";
import { type CompiledPolicy, compiledPolicySchema } from "./compiled.ts";
import { features } from "./features.ts";

export type ReadCompiled =
  | { readonly ok: true; readonly policy: CompiledPolicy }
  | {
      readonly ok: false;
      /** Features that the policy needs and this version lacks; empty when something else is wrong. */
      readonly missingFeatures: readonly string[];
      readonly message: string;
    };

const requirements = z.looseObject({ requiredFeatures: z.array(z.string()) });

/** Reads a compiled policy back: the digest, the features it needs, then every field, strictly. */
export function readCompiled(bytes: Uint8Array, digest: string): ReadCompiled {
  if (digestOf(bytes) !== digest) return refused("the policy's bytes are not those of its digest");
  const document = canonicalDocument(bytes);
  const needs = requirements.safeParse(document);
  if (!needs.success) return refused("the policy can't be read: it is not canonical, or names no required features");
  const missingFeatures = needs.data.requiredFeatures.filter((feature) => !features.includes(feature));
  if (missingFeatures.length > 0) {
    return { ok: false, missingFeatures, message: `the policy needs ${missingFeatures.join(", ")}` };
  }
  const policy = compiledPolicySchema.safeParse(document);
  if (!policy.success) {
    const issue = policy.error.issues[0];
    return refused(`the policy can't be read: ${issue?.path.join(".")}: ${issue?.message}`);
  }
  return { ok: true, policy: policy.data };
}

/** Undefined for what is not in canonical form. */
function canonicalDocument(bytes: Uint8Array): unknown {
  try {
    return parseCanonical(bytes);
  } catch (error) {
    if (error instanceof LedgerError) return undefined;
    throw error;
  }
}

function refused(message: string): ReadCompiled {
  return { ok: false, missingFeatures: [], message };
}
