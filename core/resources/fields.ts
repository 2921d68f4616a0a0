import * as z from "zod";

/** GEP-2257: a duration as Gateway API writes it, `1h30m`, `10s`, `500ms`. */
export const durationPattern = /^([0-9]{1,5}(h|m|s|ms)){1,4}$/;

/** A duration field. Bounds across fields are CEL rules. */
export function duration() {
  return z.string().max(32).regex(durationPattern);
}

/** A DNS label (RFC 1123): names of resources that become part of host names, of list entries. */
export function label() {
  return z
    .string()
    .min(1)
    .max(63)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
}

/** A DNS subdomain (RFC 1123): names of Kubernetes objects. */
export function objectName() {
  return z
    .string()
    .min(1)
    .max(253)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
}

/** A value of `aud`. */
export function audience() {
  return z
    .string()
    .min(1)
    .max(128)
    .regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]*$/);
}

/** A role's name. */
export function roleName() {
  return z
    .string()
    .min(1)
    .max(64)
    .regex(/^[A-Za-z0-9]([A-Za-z0-9._:-]*[A-Za-z0-9])?$/);
}

/** A list in which each value comes once. */
export function set<T extends z.ZodType>(item: T, max: number, min = 0) {
  const list = z.array(item).max(max).refine(unique, { error: "each value once" });
  return (min > 0 ? list.min(min) : list).meta({ "x-kubernetes-list-type": "set" });
}

/** A list of objects told apart by one field. */
export function mapList<T extends z.ZodObject>(item: T, key: keyof z.infer<T> & string, max: number, min = 0) {
  const list = z
    .array(item)
    .max(max)
    .refine((items) => unique(items.map((each) => (each as Record<string, unknown>)[key])), {
      error: `each ${key} once`,
    });
  return (min > 0 ? list.min(min) : list).meta({
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": [key],
  });
}

/** An object whose keys are free. */
export function map<T extends z.ZodType<string>>(value: T, max: number) {
  return z
    .record(z.string().min(1).max(317), value)
    .refine((entries) => Object.keys(entries).length <= max, { error: `at most ${max} entries` })
    .meta({ maxProperties: max });
}

function unique(items: readonly unknown[]): boolean {
  return new Set(items).size === items.length;
}
