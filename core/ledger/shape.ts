import { parseCanonical } from "./canonical.ts";
import { LedgerError } from "./errors.ts";

/** Tells whether a value is a `T`. */
export type Guard<T> = (value: unknown) => value is T;

/** Each field's guard, and whether it may be left out; covers every key of `T`. */
export type Shape<T> = {
  readonly [K in keyof T]-?: {
    readonly is: Guard<Exclude<T[K], undefined>>;
    readonly optional: Record<never, never> extends Pick<T, K> ? true : false;
  };
};

export function required<T>(is: Guard<T>): { readonly is: Guard<T>; readonly optional: false } {
  return { is, optional: false };
}

export function optional<T>(is: Guard<T>): { readonly is: Guard<T>; readonly optional: true } {
  return { is, optional: true };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Names the first field at fault, or gives undefined when the value has the shape. */
export function misfit<T>(value: unknown, shape: Shape<T>): string | undefined {
  if (!isObject(value)) return "not an object";
  for (const key of Object.keys(value)) {
    if (!Object.hasOwn(shape, key)) return "a field that is not known";
  }
  for (const key of Object.keys(shape) as (keyof T & string)[]) {
    if (!Object.hasOwn(value, key) || value[key] === undefined) {
      if (!shape[key].optional) return `${key} is missing`;
    } else if (!shape[key].is(value[key])) {
      return `${key} is not valid`;
    }
  }
  return undefined;
}

/** A guard for objects of a shape. */
export function shaped<T>(shape: Shape<T>): Guard<T> {
  return (value): value is T => misfit(value, shape) === undefined;
}

/** A guard for arrays, none longer than `most`. */
export function listOf<T>(is: Guard<T>, most: number): Guard<readonly T[]> {
  return (value): value is readonly T[] => Array.isArray(value) && value.length <= most && value.every(is);
}

export function oneOf<const T extends string>(...values: readonly T[]): Guard<T> {
  const set = new Set<unknown>(values);
  return (value): value is T => set.has(value);
}

/** No header comes near it: a block that lists a thousand journals has 100 KiB. */
const MAX_DOCUMENT_BYTES = 1024 * 1024;

/**
 * Reads a canonical document of a shape.
 * @throws LedgerError DocumentInvalid, naming the kind and the field
 */
export function parseDocument<T>(kind: string, bytes: Uint8Array, shape: Shape<T>): T {
  if (bytes.length > MAX_DOCUMENT_BYTES) throw new LedgerError("DocumentInvalid", `${kind}: too long`);
  const value = parseCanonical(bytes);
  const fault = misfit(value, shape);
  if (fault !== undefined) throw new LedgerError("DocumentInvalid", `${kind}: ${fault}`);
  return value as T;
}
