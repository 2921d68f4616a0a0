import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { SidecarError } from "../errors.ts";

const TEMPLATES = {
  bootstrap: new URL("../../envoy/bootstrap.yaml", import.meta.url),
  http: new URL("../../envoy/http.yaml", import.meta.url),
  "sidecar-cluster": new URL("../../envoy/sidecar-cluster.yaml", import.meta.url),
  pod: new URL("../../envoy/pod.yaml", import.meta.url),
  "pod-listener": new URL("../../envoy/pod-listener.yaml", import.meta.url),
  "pod-passthrough": new URL("../../envoy/pod-passthrough.yaml", import.meta.url),
  "pod-port": new URL("../../envoy/pod-port.yaml", import.meta.url),
};

/** A file of `envoy/`, without its ending. */
export type TemplateName = keyof typeof TEMPLATES;

type Values = Readonly<Record<string, unknown>>;

/**
 * The template with a value for each `"${name}"`: a text, a number, or whole parts of a configuration. Values replace whole strings of
 * the parsed template: nothing in them can change its structure.
 *
 * @throws SidecarError EnvoyTemplate for a name that has no value
 */
export function filledIn(template: TemplateName, values: Values): unknown {
  return filled(parse(readFileSync(TEMPLATES[template], "utf8")), template, values);
}

function filled(node: unknown, template: TemplateName, values: Values): unknown {
  if (typeof node === "string") {
    const name = /^\$\{(\w+)\}$/.exec(node)?.[1];
    if (name === undefined) return node;
    if (!Object.hasOwn(values, name))
      throw new SidecarError("EnvoyTemplate", `envoy/${template}.yaml asks for ${node}`);
    return values[name];
  }
  if (Array.isArray(node)) return node.map((item) => filled(item, template, values));
  if (typeof node !== "object" || node === null) return node;
  return Object.fromEntries(Object.entries(node).map(([key, inner]) => [key, filled(inner, template, values)]));
}
