/** Writes the OpenAPI document that is checked in, or with `--check` fails when it is not that of the code. */
import { readFileSync, writeFileSync } from "node:fs";
import { renderDocument } from "./render.ts";

const file = new URL("./openapi.json", import.meta.url);
const document = await renderDocument();

if (!process.argv.includes("--check")) {
  writeFileSync(file, document);
} else if (readFileSync(file, "utf8") !== document) {
  console.error("identity/openapi/openapi.json is not that of the code: npm run generate");
  process.exitCode = 1;
}
