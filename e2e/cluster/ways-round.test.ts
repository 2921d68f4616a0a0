import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import { type InstalledCluster, installedCluster } from "./install/installed.ts";
import { askFrom } from "./testing/ask.ts";
import { type Door, knockFrom } from "./testing/knock.ts";
import { type Login, peopleOf } from "./testing/people.ts";
import { decisionsOf } from "./testing/rows.ts";
import { createScene, type Scene } from "./testing/scene.ts";

/** Of the app: what the policy protects, what it says nothing of, and what it lets through. */
const [PROTECTED, UNDECLARED, OPEN] = [8080, 9000, 9001];
/** Of heauth: Envoy's, which everything is redirected to, and the sidecar's. */
const [ENVOY, HEALTH] = [15_006, 15_020];
/** Where Envoys have their admin interface, and our programs their metrics, elsewhere. */
const ADMINS = [9901, 15_000, 19_000, 9464];

describe("ways round Envoy", () => {
  let cluster: InstalledCluster;
  let scene: Scene;
  let login: Login;
  let app: { readonly namespace: string; readonly pod: string; readonly container: string };
  /** IPv4 first. */
  let addresses: readonly string[];

  const tcp = (host: string, port: number, more: Partial<Door> = {}): Door => ({
    network: "tcp",
    address: `${host}:${port}`,
    ...more,
  });
  const udp = (host: string, port: number, more: Partial<Door> = {}): Door => ({
    ...tcp(host, port, more),
    network: "udp",
  });
  const knock = (doors: readonly Door[], from = scene.client) => knockFrom(cluster, from, doors);
  const bracketed = (address: string) => (address.includes(":") ? `[${address}]` : address);
  const inApp = (...command: string[]) => scene.kubectl(["exec", app.pod, "--container=app", "--", ...command]);

  beforeAll(async () => {
    cluster = await installedCluster();
    const image = { image: cluster.images.echo, imagePullPolicy: "IfNotPresent" };
    const doors = [UNDECLARED, OPEN, `udp/${UNDECLARED}`, `udp/${PROTECTED}`].map(String);
    const containers = [
      { name: "app", ...image, args: ["listen", `${PROTECTED}`] },
      { name: "doors", ...image, args: ["doors", ...doors] },
    ];
    scene = await createScene(cluster, { policy: { passthroughPorts: [OPEN] }, pod: { containers } });
    await scene.kubectl(["apply", "--filename=-"], services());
    const [pod] = JSON.parse(await scene.kubectl(["get", "pods", "-l=app=app", "-o=json"])).items;
    app = { namespace: scene.name, pod: pod.metadata.name, container: "app" };
    addresses = pod.status.podIPs.map(({ ip }: { ip: string }) => ip);
    const people = await peopleOf(cluster, scene.name, scene.client);
    login = await people.logIn(await people.create("joy"));
  }, 240_000);
  afterAll(async () => {
    await scene?.remove();
  });

  test("there is something behind each door: inside the pod they are open, which is the app's own business", async () => {
    for (const host of ["127.0.0.1", ...addresses.map(bracketed)]) {
      const inside = [PROTECTED, UNDECLARED, OPEN].map((port) => tcp(host, port));
      expect(await knock([...inside, udp(host, UNDECLARED)], app)).toEqual([
        ...inside.map(() => "HTTP/1.1 200 OK"),
        `port ${UNDECLARED}`,
      ]);
    }
  });

  test("by the pod's addresses and a headless Service: the policy's port asks for a session, the others are closed", async () => {
    const closed = [UNDECLARED, ENVOY, ...ADMINS];
    const silent = [UNDECLARED, PROTECTED, ENVOY];
    const hosts = [...addresses.map(bracketed), `headless.${scene.name}`];
    const outcomes = await knock(
      hosts.flatMap((host) => [
        ...[PROTECTED, OPEN, HEALTH, ...closed].map((port) => tcp(host, port)),
        ...silent.map((port) => udp(host, port)),
      ]),
    );
    const expected = ["HTTP/1.1 401 Unauthorized", "HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found"];
    const each = [...expected, ...closed.map(() => "closed"), ...silent.map(() => "silent")];
    expect(outcomes).toEqual(hosts.flatMap(() => each));
  });

  test("by a Service that leads to these ports, on each of its addresses", async () => {
    const spec = JSON.parse(await scene.kubectl(["get", "service", "doors", "-o=json"])).spec;
    expect(spec.clusterIPs).toHaveLength(addresses.length);
    const hosts: readonly string[] = spec.clusterIPs.map(bracketed);
    const outcomes = await eventually(
      () => knock(hosts.flatMap((host) => [tcp(host, 80), tcp(host, 81), tcp(host, 82), udp(host, 53)])),
      (each) => each.filter((outcome) => outcome === "HTTP/1.1 401 Unauthorized").length === hosts.length,
      30_000,
    );
    expect(outcomes).toEqual(hosts.flatMap(() => ["HTTP/1.1 401 Unauthorized", "closed", "closed", "silent"]));
  });

  test("from the node, whose address the kubelet has: on each address of the pod, that of the link too", async () => {
    const hosts = addresses.map(bracketed);
    const link = /^(fe80[0-9a-f]{28}) .* eth0$/m.exec(await inApp("cat", "/proc/net/if_inet6"))?.[1];
    expect(link === undefined).toBe(addresses.length === 1);
    // The kernel numbers the node's end of the link so.
    const index = (await inApp("cat", "/sys/class/net/eth0/iflink")).trim();
    if (link !== undefined) hosts.push(`[${link.match(/.{4}/g)?.join(":")}%25${index}]`);
    for (const host of hosts) {
      const asked = [
        "--silent",
        "--globoff",
        "--max-time",
        "10",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code}",
      ];
      const status = async (port: number) =>
        (await cluster.onNode("curl", [...asked, `http://${host}:${port}/file`])).stdout;
      expect(await Promise.all([PROTECTED, UNDECLARED, ENVOY, OPEN].map(status))).toEqual(["401", "000", "000", "200"]);
    }
  });

  test("through the API server, which comes from outside as well", async () => {
    const raw = (what: string) =>
      cluster.kubectl(["get", "--raw", `/api/v1/namespaces/${scene.name}/${what}/proxy/file`]);
    const refused = expect.objectContaining({ code: 1, stdout: "" });
    expect(
      await Promise.all([`pods/${app.pod}:${PROTECTED}`, `pods/${app.pod}:${UNDECLARED}`, "services/app:80"].map(raw)),
    ).toEqual([refused, refused, refused]);
    expect(await raw(`pods/${app.pod}:${OPEN}`)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`port ${OPEN}`),
    });
  });

  test("the sidecar's port tells how it is and does the pod's own checks, and nothing else", async () => {
    const [host = ""] = addresses;
    const status = async (method: string, paths: readonly string[]) => {
      const said = paths.map((path) => `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      const lines = await knock(said.map((say) => tcp(host, HEALTH, { say })));
      return lines.map((line) => Number(line.split(" ")[1]));
    };
    const known = ["/startupz", "/healthz", "/readyz", "/readyz/envoy"];
    expect(await status("GET", known)).toEqual(known.map(() => 200));
    const others = ["/metrics", "/stats", "/config_dump", "/quitquitquit", "/drain", "/probe/app/liveness", "/check/x"];
    expect(await status("GET", others)).toEqual(others.map(() => 404));
    expect(await status("POST", [...known, ...others])).toEqual([...known, ...others].map(() => 405));
  });

  test("by words to Envoy: what names another place, or asks for a tunnel, ends at the policy or before", async () => {
    const [host = ""] = addresses;
    const said = [
      `GET http://127.0.0.1:${UNDECLARED}/ HTTP/1.1\r\nHost: 127.0.0.1:${UNDECLARED}\r\n\r\n`,
      `CONNECT 127.0.0.1:${UNDECLARED} HTTP/1.1\r\nHost: 127.0.0.1:${UNDECLARED}\r\n\r\n`,
      "GET /config_dump HTTP/1.1\r\nHost: localhost:9901\r\n\r\n",
      `GET / HTTP/1.1\r\nHost: x\r\nx-envoy-original-dst-host: 127.0.0.1:${UNDECLARED}\r\n\r\n`,
      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: \r\n\r\n",
      "GET /..%2fhealthz HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    for (const answer of await knock(said.map((say) => tcp(host, PROTECTED, { say })))) {
      expect(answer).toMatch(/^(HTTP\/1\.[01] 4\d\d .*|closed)$/);
    }
  });

  describe("forged headers", () => {
    const forged = {
      "x-heauth-peer": "127.0.0.1",
      "x-heauth-subject": "forged",
      "x-heauth-roles": "forged",
      "x-heauth-action": "forged",
      "x-heauth-forged": "forged",
      "x-envoy-original-dst-host": `127.0.0.1:${UNDECLARED}`,
      "x-envoy-original-path": "/healthz",
      "x-forwarded-for": "127.0.0.1",
    };

    test("replace no session", async () => {
      expect((await scene.ask({ path: "/file", headers: forged })).status).toBe(401);
      expect(
        (await scene.ask({ path: "/file", method: "PUT", headers: forged, token: login.accessToken })).status,
      ).toBe(403);
    });

    test("don't reach the app, and the record names the address that the request came from", async () => {
      const path = "/headers";
      const { status, body } = await scene.ask({ path, headers: forged, token: login.accessToken });
      expect(status).toBe(200);
      expect(body).not.toMatch(/forged|X-Envoy-Original/);
      expect(JSON.parse(body)).toMatchObject({ "X-Heauth-Subject": [login.user] });
      const records = await decisionsOf(cluster, login.session, 2);
      const { podIPs } = JSON.parse(await scene.kubectl(["get", "pod/client", "-o=json"])).status;
      expect(podIPs.map(({ ip }: { ip: string }) => ip)).toContain(records.find((each) => each.path === path)?.peer);
    });
  });

  test("datagrams that seem to come from the pod itself, or from the node, don't arrive", async () => {
    const [host = ""] = addresses;
    const node = await scene.kubectl(["get", `pod/${app.pod}`, "-o=jsonpath={.status.hostIP}"]);
    const senders = ["127.0.0.1", host, node, "10.244.0.1"];
    const ports = [UNDECLARED, PROTECTED];
    await knock(ports.flatMap((port) => senders.map((as) => udp(host, port, { as, say: `forged-${as}\r` }))));
    await knock(
      ports.map((port) => udp("127.0.0.1", port, { say: "afterwards\r" })),
      app,
    );
    const log = await eventually(
      () => scene.kubectl(["logs", app.pod, "--container=doors"]),
      (lines) => ports.every((port) => lines.includes(`udp ${port} afterwards`)),
      30_000,
    );
    expect(log).toContain(`udp ${PROTECTED} afterwards`);
    expect(log).not.toContain("forged");
  });

  describe("from the app's own container", () => {
    test("localhost leads to the app: that it keeps to itself", async () => {
      const { status } = await askFrom(cluster, app, { url: `http://127.0.0.1:${PROTECTED}/file` });
      expect(status).toBe(200);
    });

    test("heauth's folders, processes and sockets aren't there", async () => {
      const mounts = (await inApp("cat", "/proc/mounts")).trim().split("\n");
      expect(mounts.filter((each) => each.split(" ")[1]?.includes("heauth"))).toEqual([]);
      const folders = ["/run/heauth", "/var/lib/heauth", "/var/run/secrets/heauth", "/etc/heauth"];
      const found = await inApp("sh", "-c", `for each in ${folders.join(" ")}; do [ ! -e $each ] || echo $each; done`);
      expect(found).toBe("");
      expect(await inApp("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")).not.toMatch(/heauth|envoy/);
      // Those with a file need its folder. Without one there is the lock of the log's folder, which says the holder's number and no more.
      const sockets = [...(await inApp("cat", "/proc/net/unix")).matchAll(/ @(.*)$/gm)].map(([, name]) => name);
      expect(sockets).toEqual([expect.stringMatching(/^heauth-wal-[0-9a-f]{32}$/)]);
    });

    test("heauth listens on its two ports and nowhere else", async () => {
      const listed = await inApp("sh", "-c", "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null");
      const listening = [...listed.matchAll(/^ *\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:0000 0A /gm)];
      const ports = new Set(listening.map(([, hex = ""]) => Number.parseInt(hex, 16)));
      expect([...ports].sort((a, b) => a - b)).toEqual([PROTECTED, UNDECLARED, OPEN, ENVOY, HEALTH]);
    });

    test("the redirection can't be taken away", async () => {
      await expect(inApp("iptables", "--table=nat", "--flush")).rejects.toThrow(/Permission denied|not permitted/i);
    });
  });
});

function services(): string {
  const service = (name: string, spec: object) => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name },
    spec: { ipFamilyPolicy: "PreferDualStack", selector: { app: "app" }, ...spec },
  });
  const ports = [
    { name: "protected", port: 80, targetPort: PROTECTED },
    { name: "undeclared", port: 81, targetPort: UNDECLARED },
    { name: "envoy", port: 82, targetPort: ENVOY },
    { name: "udp", port: 53, targetPort: UNDECLARED, protocol: "UDP" },
  ];
  const items = [service("headless", { clusterIP: "None" }), service("doors", { ports })];
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}
