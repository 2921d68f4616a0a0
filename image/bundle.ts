// `npm run bundle [DIR] [SOURCES]`: writes into dist/ (or DIR) all that `heauth` needs beside Node: it runs from there without node_modules.
// Sources that stand elsewhere, such as an earlier version's, are bundled with the packages that are here.
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { cyclonedxEsbuildPlugin } from "@cyclonedx/cyclonedx-esbuild";
import { build } from "esbuild";
import { filesOfOurs } from "./files-of-ours.ts";
import { writeLicences } from "./licences.ts";
import { nativePackages } from "./native-packages.ts";

const root = resolve(import.meta.dirname, "..");

/** Bundled CommonJS asks for Node's own modules by `require`, which ES modules don't have. */
const REQUIRE = `import { createRequire as heauthRequire } from "node:module"; const require = heauthRequire(import.meta.url);`;

/** Writes the bundle, the licences of all that is in it (LICENSES.txt), and its bill of materials (bom.json, CycloneDX). */
async function bundle(out: string, sources: string): Promise<void> {
  await rm(out, { recursive: true, force: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { heauth: join(sources, "cli/main.ts") },
    nodePaths: [join(root, "node_modules")],
    outdir: out,
    outExtension: { ".js": ".mjs" },
    entryNames: "[name]",
    chunkNames: "[name]-[hash]",
    bundle: true,
    // A program loads only its own chunks: `heauth sidecar` runs beside every pod.
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    banner: { js: REQUIRE },
    // Names stay, for stack traces; the maps tell the rest, and stay outside the image.
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: "external",
    sourcesContent: false,
    legalComments: "none",
    metafile: true,
    logLevel: "error",
    plugins: [
      filesOfOurs(sources, out),
      nativePackages(root, out),
      cyclonedxEsbuildPlugin({
        outputFile: "bom.json",
        specVersion: "1.6",
        logLevel: "silent",
        outputReproducible: true,
      }),
    ],
  });
  await writeLicences({ root, inputs: Object.keys(metafile.inputs), file: join(out, "LICENSES.txt") });
}

const [, , out = join(root, "dist"), sources = root] = process.argv;
await bundle(resolve(out), resolve(sources));
