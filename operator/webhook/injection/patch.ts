import type { Pod } from "./pod.ts";

/** An operation of RFC 6902; `add` also replaces what is there. */
interface Operation {
  readonly op: "add";
  readonly path: string;
  readonly value: unknown;
}

/** The JSON Patch that makes the injected pod: injection changes nothing but the spec and the annotations. */
export function podPatch({ metadata, spec }: Pod): readonly Operation[] {
  return [
    { op: "add", path: "/metadata/annotations", value: metadata.annotations },
    { op: "add", path: "/spec", value: spec },
  ];
}
