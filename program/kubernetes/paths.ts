import { ClusterError } from "./errors.ts";
import { apiVersionOf, type ResourceType } from "./resource-types.ts";

/** What a path leads to: a collection, an object, or a subresource of an object. */
export interface Place {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

/** The path of a place. A collection of a namespaced type without a namespace is that of all namespaces. */
export function pathOf(type: ResourceType, { namespace, name, subresource }: Place): string {
  if (type.namespaced && name !== undefined && namespace === undefined) {
    throw new ClusterError("Invalid", `${type.kind} ${name} has no namespace`);
  }
  return [
    type.group === "" ? "/api" : "/apis",
    apiVersionOf(type),
    ...(type.namespaced && namespace !== undefined ? ["namespaces", segment(namespace)] : []),
    type.plural,
    ...(name === undefined ? [] : [segment(name)]),
    ...(subresource === undefined ? [] : [segment(subresource)]),
  ].join("/");
}

/** The same path for people: `tenants/acme`, `shop/authpolicies/web/status`. */
export function placeText({ plural }: ResourceType, { namespace, name, subresource }: Place): string {
  return [namespace, plural, name, subresource].filter((part) => part !== undefined && part !== "").join("/");
}

/** `?a=1&b=2` of what is given. */
export function queryOf(parameters: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== "");
  if (given.length === 0) return "";
  return `?${new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)]))}`;
}

/** Names that would lead elsewhere (`path.IsValidPathSegmentName` of the API machinery) are refused. */
function segment(text: string): string {
  if (text === "" || text === "." || text === ".." || /[/%]/.test(text)) {
    throw new ClusterError("Invalid", `${JSON.stringify(text)} cannot be a name`);
  }
  return encodeURIComponent(text);
}
