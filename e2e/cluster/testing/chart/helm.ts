import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KubeObject } from "@heauth/program/kubernetes";
import { parseAllDocuments } from "yaml";
import { type CommandResult, runCommand } from "../../../kube/command.ts";
import { must } from "../../must.ts";
import { nodeAssets } from "../../node/assets.ts";

export const CHART = join(import.meta.dirname, "../../../../charts/heauth");
/** heauth's namespace, unless somebody wants another. */
const HOME = "heauth-system";
const KUBE_VERSION = "--kube-version=1.34";
const OPTIONAL_TYPES = [
  "monitoring.coreos.com/v1/ServiceMonitor",
  "monitoring.coreos.com/v1/PrometheusRule",
  "cert-manager.io/v1/Certificate",
];

export interface Rendering {
  readonly text: string;
  readonly objects: readonly KubeObject[];
}

export interface Helm {
  lint(): Promise<CommandResult>;
  /** What the chart makes of these values (`key=value` as for --set-json), in a cluster that has all optional types, or none. */
  render(
    values?: readonly string[],
    where?: { readonly bare?: boolean; readonly namespace?: string },
  ): Promise<Rendering>;
  /** As `render`, of values as YAML; a failure is in the result. */
  tryValues(yaml: string): Promise<CommandResult>;
  stop(): Promise<void>;
}

/** Helm without a cluster. */
export async function openHelm(): Promise<Helm> {
  const program = (process.env["E2E_CLUSTER"] || "local") === "local" ? nodeAssets().helm : "helm";
  const home = await mkdtemp(join(tmpdir(), "heauth-helm-"));
  const environment = { PATH: process.env["PATH"], HOME: home };
  const run = (args: readonly string[], input = "") => runCommand(program, args, { environment, input });
  const template = (namespace: string) => ["template", "heauth", CHART, `--namespace=${namespace}`, KUBE_VERSION];
  return {
    lint: () => run(["lint", CHART, "--strict", KUBE_VERSION]),
    async render(values = [], { bare = false, namespace = HOME } = {}) {
      const flags = [
        ...values.map((value) => `--set-json=${value}`),
        ...(bare ? [] : OPTIONAL_TYPES.map((type) => `--api-versions=${type}`)),
      ];
      const text = masked(await must(run([...template(namespace), ...flags])));
      return { text, objects: parseAllDocuments(text).flatMap((each) => each.toJS() ?? []) };
    },
    tryValues: (yaml) => run([...template(HOME), "--values=-"], yaml),
    stop: () => rm(home, { recursive: true, force: true }),
  };
}

/** Passwords are other ones each time. */
function masked(text: string): string {
  return text.replaceAll(/(password: |_login:|_owner:)[a-zA-Z0-9]{32}/g, "$1PASSWORD");
}
