import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { jsonRequest, untilAnswered } from "./json-request.ts";

const FOLDER = join(import.meta.dirname, "../../crds");
const API = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const ESTABLISHED_WITHIN_MS = 30_000;

/** Creates every CustomResourceDefinition in crds/, and waits until the API server serves it. */
export async function createCrds(server: { readonly url: string; readonly ca: string; readonly token: string }) {
  const { url, ...access } = server;
  const files = (await readdir(FOLDER)).filter((name) => name.endsWith(".yaml"));
  await Promise.all(
    files.map(async (name) => {
      const body = parse(await readFile(join(FOLDER, name), "utf8"));
      const { status, text } = await jsonRequest({ ...access, method: "POST", url: `${url}${API}`, body });
      if (status !== 201 && status !== 409) throw new Error(`the API server refused ${name} (${status}): ${text}`);
      const signal = AbortSignal.timeout(ESTABLISHED_WITHIN_MS);
      const { group, names, versions } = body.spec;
      await untilAnswered(
        { ...access, url: `${url}/apis/${group}/${versions[0].name}/${names.plural}`, signal },
        served,
      );
    }),
  );
}

const served = ({ status }: { readonly status: number }) => status === 200;
