import { accessSync, constants, globSync } from "node:fs";
import { dirname, join } from "node:path";
import { PartError } from "./errors.ts";

/** Where the wheel puts the binary: in a virtual environment, or in a folder that pip was pointed at. */
const IN_VENV = ["lib/python3*/site-packages/envoy/_bin/envoy", "packages/envoy/_bin/envoy"];

/**
 * Path of the Envoy binary: `HEAUTH_ENVOY`, else the one in the `.venv` of this repository. Throws `EnvoyMissing`, which says how to
 * get it.
 */
export function findEnvoy(environment: Record<string, string | undefined> = process.env): string {
  const named = environment["HEAUTH_ENVOY"];
  if (named !== undefined) {
    if (isExecutable(named)) return named;
    throw new PartError("EnvoyMissing", `HEAUTH_ENVOY: ${named} cannot be executed; for example /usr/local/bin/envoy`);
  }
  const found = ancestors(import.meta.dirname)
    .flatMap((folder) => IN_VENV.flatMap((pattern) => globSync(join(folder, ".venv", pattern))))
    .find(isExecutable);
  if (found === undefined) {
    throw new PartError(
      "EnvoyMissing",
      "Envoy was not found: run `make setup`, or set HEAUTH_ENVOY to the path of Envoy 1.40",
    );
  }
  return found;
}

function ancestors(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...ancestors(parent)];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
