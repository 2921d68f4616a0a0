import { cp, readFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import type { Plugin } from "esbuild";

/** How our sources name a file, or a folder, that they read while running. */
const NAMED = /new URL\(\s*"(?<path>\.{1,2}\/[^"]+)",\s*import\.meta\.url\s*\)/g;

/**
 * What our sources read while running, `new URL("../some/file", import.meta.url)`, goes with the bundle, under `files/` by its path in the
 * repository, and is named so. A file that is not there ends the build.
 */
export function filesOfOurs(root: string, out: string): Plugin {
  return {
    name: "files of ours",
    setup({ onLoad, onEnd }) {
      const wanted = new Set<string>();
      onLoad({ filter: /\.ts$/, namespace: "file" }, async ({ path: source }) => {
        const text = await readFile(source, "utf8");
        const contents = text.replace(NAMED, (_, path: string) => {
          const file = relative(root, resolve(dirname(source), path));
          wanted.add(file);
          return `new URL("./files/${file}", import.meta.url)`;
        });
        return { contents, loader: "ts" };
      });
      onEnd(async () => {
        for (const file of wanted) await cp(join(root, file), join(out, "files", file), { recursive: true });
      });
    },
  };
}
