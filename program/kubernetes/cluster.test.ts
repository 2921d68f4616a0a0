import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { type FakeApi, json, kubeconfigText, startFakeApi, status } from "../testing/index.ts";
import { openCluster } from "./cluster.ts";
import { inCluster } from "./in-cluster.ts";
import { TENANTS } from "./resource-types.ts";

let api: FakeApi;
let file: string;

beforeEach(async () => {
  api = await startFakeApi();
  file = join(api.folder, "own");
});
afterEach(async () => {
  await api.stop();
});

async function opened(user: object, cluster: object = {}) {
  await writeFile(file, kubeconfigText(api.url, user, cluster));
  return await openCluster({ kubeconfig: file });
}
const get = async ({ client }: Awaited<ReturnType<typeof opened>>) => await client.get(TENANTS, { name: "acme" });
const authorizations = () => api.requests.map(({ headers }) => headers.authorization);

test("a kubeconfig says where the server is, who we are, and in which namespace", async () => {
  const cluster = await opened({ token: "abc", as: "somebody" });
  await get(cluster);
  expect(cluster).toMatchObject({ server: api.url, namespace: "clinic" });
  expect(api.requests[0]?.headers).toMatchObject({ authorization: "Bearer abc", "impersonate-user": "somebody" });
});

test("a token's file is read again as it rotates", async () => {
  await writeFile(join(api.folder, "token"), "first\n");
  const cluster = await opened({ tokenFile: "token" });
  await get(cluster);
  await writeFile(join(api.folder, "token"), "second\n");
  await get(cluster);
  expect(authorizations()).toEqual(["Bearer first", "Bearer second"]);
});

test("an exec plugin is asked once, and again when its token is refused", async () => {
  const script = `
    echo . >> ${api.folder}/runs
    token=$(wc -l < ${api.folder}/runs)
    echo "$KUBERNETES_EXEC_INFO" > ${api.folder}/info
    echo '{"kind":"ExecCredential","status":{"token":"'$((token))'"}}'`;
  const apiVersion = "client.authentication.k8s.io/v1";
  const cluster = await opened({ exec: { apiVersion, command: "/bin/sh", args: ["-c", script], env: null } });
  await get(cluster);
  await get(cluster);
  api.answer((_, response) => json(response, status(401, "Unauthorized", "who?"), 401));
  await expect(get(cluster)).rejects.toMatchObject({ code: "Unauthorized" });
  api.answer((_, response) => json(response, {}));
  await get(cluster);
  expect(authorizations()).toEqual(["Bearer 1", "Bearer 1", "Bearer 1", "Bearer 2"]);
});

test("an exec plugin that fails, or hangs, says so, and nothing of what it printed", async () => {
  const fails = await opened({ exec: { command: "/bin/sh", args: ["-c", "echo s3cret >&2; exit 1"] } });
  const error = await get(fails).catch((thrown) => thrown);
  expect(error).toMatchObject({ code: "Unauthorized" });
  expect(`${error.message} ${error.cause}`).not.toContain("s3cret");
  const hangs = await opened({ exec: { command: "/bin/sleep", args: ["0.3"] } });
  await expect(hangs.client.get(TENANTS, { name: "acme" }, { deadlineMs: 50 })).rejects.toMatchObject({
    code: "Timeout",
  });
});

test.each<[string, string, string]>([
  ["is empty", "", "it is empty"],
  ["is no YAML", "users: [token: s3cret", "it is not YAML"],
  ["has no context", "current-context: x", 'it has no context "x" (current-context)'],
  ["has no server", '{"clusters":[{"name":"a","cluster":{}}]}', "clusters[0].cluster.server is missing"],
  ["has an odd server", kubeconfigText("ftp://x", {}), "its server ftp://x is not a URL"],
  ["has a broken server", kubeconfigText("https://[", {}), "its server https://[ is not a URL"],
  [
    "has a server that proves nothing",
    kubeconfigText("http://localhost.evil:80", {}),
    "its server http://localhost.evil:80 is not https; http is for loopback only",
  ],
  [
    "asks for no proof",
    kubeconfigText("https://x", {}, { "insecure-skip-tls-verify": true }),
    "insecure-skip-tls-verify is not supported; give the server's certificate-authority",
  ],
  [
    "has an auth-provider",
    kubeconfigText("https://x", { "auth-provider": { name: "oidc" } }),
    'auth-provider is not supported (user "test"); use an exec plugin',
  ],
  ["has a proxy", kubeconfigText("https://x", {}, { "proxy-url": "http://y" }), "proxy-url is not supported"],
  [
    "has a password",
    kubeconfigText("https://x", { username: "u", password: "s3cret" }),
    "user name and password are not supported; the API server has given them up",
  ],
])("a kubeconfig that %s is refused in one line", async (_, text, problem) => {
  await writeFile(file, text);
  await expect(openCluster({ kubeconfig: file })).rejects.toMatchObject({
    code: "KubeconfigInvalid",
    message: `${file}: ${problem}`,
  });
});

test("a kubeconfig that is not there is named; outside a pod one is asked for", async () => {
  const missing = join(api.folder, "nowhere");
  await expect(openCluster({ kubeconfig: missing })).rejects.toMatchObject({
    code: "KubeconfigInvalid",
    message: `cannot read ${missing}`,
  });
  await expect(inCluster({})).rejects.toMatchObject({ code: "NoCluster" });
});

test("in a pod it is the service account, whose token and CA rotate", async () => {
  const folder = join(api.folder, "account");
  await mkdir(folder);
  const files = { token: "one", "ca.crt": "CA", namespace: "heauth-system\n" };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const access = await inCluster({ KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" }, folder);
  expect(access).toMatchObject({ server: "https://[fd00::1]:443", namespace: "heauth-system" });
  expect((await access.credentials()).headers).toEqual({ authorization: "Bearer one" });
  await writeFile(join(folder, "token"), "two\n");
  await writeFile(join(folder, "ca.crt"), "CA2");
  const { headers, tls } = await access.credentials();
  expect({ headers, ca: tls.ca?.toString() }).toEqual({ headers: { authorization: "Bearer two" }, ca: "CA2" });
});
