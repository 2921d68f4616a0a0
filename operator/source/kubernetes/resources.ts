import { isDeepStrictEqual } from "node:util";
import { validateResource } from "@heauth/core/resources";
import { type Kinds, keyText, type Observed, type ResourceKey } from "../source.ts";
import type { KeptResource } from "./kept-resource.ts";

type AnyResource = Kinds[keyof Kinds];

/** Resources as they are in force, next to how they are written: each is validated when it changes, and its last good version kept. */
export class Resources {
  readonly #observed = new Map<string, Observed<AnyResource>>();

  get(key: ResourceKey): Observed<AnyResource> | undefined {
    return this.#observed.get(keyText(key));
  }

  /** @returns whether there is anything to tell: what only changed its status has not changed */
  take(key: ResourceKey, now: KeptResource | undefined, before: KeptResource | undefined): boolean {
    const name = keyText(key);
    if (now === undefined) return this.#observed.delete(name);
    const last = this.#observed.get(name);
    if (before !== undefined && last !== undefined && isDeepStrictEqual(written(now), written(before))) {
      this.#observed.set(name, { ...last, meta: now.meta });
      return false;
    }
    // Another one of the same name has nothing in common with it.
    const inForce = last?.meta.uid === now.meta.uid ? last?.inForce : undefined;
    const read = validateResource(now.document, inForce === undefined ? {} : { old: inForce });
    const { meta } = now;
    this.#observed.set(
      name,
      read.ok ? { inForce: read.resource, problems: [], meta } : { inForce, problems: read.problems, meta },
    );
    return true;
  }
}

function written({ document, meta: { tenantId: _, ...meta } }: KeptResource) {
  return { document, meta };
}
