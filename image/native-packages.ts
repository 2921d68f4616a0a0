import { cp, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, relative } from "node:path";
import type { Metafile, Plugin } from "esbuild";

/** Packages with machine code: they stay as they are, in a node_modules of the bundle's own. */
const NATIVE = ["@node-rs/argon2", "bcrypt"];

/** Node, which images bring along. */
export const NODE_MANIFEST = "node_modules/node/package.json";

/** The folder of a package, from the path of one of its files. */
const PACKAGE = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/;

/** Of each package: what it loads on this platform goes with the bundle, nothing else. The metafile tells of it, and of Node. */
export function nativePackages(root: string, out: string): Plugin {
  return {
    name: "native packages",
    setup({ initialOptions, onEnd }) {
      initialOptions.external = [...(initialOptions.external ?? []), ...NATIVE];
      onEnd(async ({ metafile }) => {
        if (metafile !== undefined) await note(metafile, root, NODE_MANIFEST);
        for (const file of loadedFiles(root)) {
          await cp(join(root, file), join(out, flat(file)));
          if (metafile !== undefined) await note(metafile, root, file);
        }
      });
    },
  };
}

/** Paths below the root. */
function loadedFiles(root: string): Set<string> {
  const require = createRequire(join(root, "core/package.json"));
  const files = new Set<string>();
  const add = (file: string) => {
    const path = relative(root, file);
    if (files.has(path)) return;
    files.add(path);
    files.add(join(PACKAGE.exec(path)?.[0] ?? "", "package.json"));
    for (const child of require.cache[file]?.children ?? []) add(child.id);
  };
  for (const name of NATIVE) {
    require(name);
    add(require.resolve(name));
  }
  return files;
}

/** As esbuild would, had it read the file. */
async function note({ inputs, outputs }: Metafile, root: string, file: string): Promise<void> {
  const { size: bytes } = await stat(join(root, file));
  inputs[file] = { bytes, imports: [] };
  outputs[flat(file)] = { bytes, inputs: { [file]: { bytesInOutput: bytes } }, imports: [], exports: [] };
}

/** A package that npm has put into the folder of one of ours is found beside the others. */
function flat(file: string): string {
  return file.replace(/^[^/]+\/(?=node_modules\/)/, "");
}
