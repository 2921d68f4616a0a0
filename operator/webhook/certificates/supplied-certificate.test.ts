import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogs } from "@heauth/program";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { issueAuthority } from "../../certificates/issue.ts";
import type { Pair } from "../../certificates/pair.ts";
import { createSuppliedCertificate } from "./supplied-certificate.ts";

const { log } = createLogs({ program: "test", level: "silent" });
let folder: string;
let files: { certificate: string; key: string };
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-supplied-"));
  files = { certificate: join(folder, "tls.crt"), key: join(folder, "tls.key") };
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const put = async ({ certificate, key }: Pair) => {
  await writeFile(files.certificate, certificate);
  await writeFile(files.key, key);
};

test("a certificate is taken up when both files are replaced; half of a replacement changes nothing", async () => {
  const [first, second] = [await issueAuthority(Date.now()), await issueAuthority(Date.now())];
  await put(first);
  const supplied = createSuppliedCertificate({ ...files, log });
  await supplied.start();
  const seen: Pair[] = [];
  supplied.subscribe((now) => seen.push(now));
  expect(supplied.current()).toEqual(first);
  await writeFile(files.certificate, second.certificate);
  await supplied.look();
  expect([supplied.current(), seen]).toEqual([first, []]);
  await writeFile(files.key, second.key);
  await supplied.look();
  expect([supplied.current(), seen]).toEqual([second, [second]]);
  await supplied.stop(AbortSignal.timeout(1_000));
});

test.each([
  ["no files", async () => {}, /ENOENT/],
  ["no certificate", async () => put({ certificate: "x", key: "y" }), /the certificate is not PEM/],
  ["no key", async () => put({ ...(await issueAuthority(Date.now())), key: "y" }), /not a private key in PEM/],
  [
    "another's key",
    async () => put({ ...(await issueAuthority(Date.now())), key: (await issueAuthority(Date.now())).key }),
    /the key is not the certificate's/,
  ],
])("with %s it does not start, and says why without quoting anything", async (_, prepare, reason) => {
  await prepare();
  const starting = createSuppliedCertificate({ ...files, log }).start();
  await expect(starting).rejects.toMatchObject({
    code: "StartFailed",
    cause: expect.objectContaining({ message: expect.stringMatching(reason) }),
  });
});
