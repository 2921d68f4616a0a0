import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { pause } from "@heauth/program";
import {
  type ClusterClient,
  CONFIG_MAPS,
  NAMESPACES,
  openCluster,
  type ResourceType,
  SECRETS,
} from "@heauth/program/kubernetes";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { newKeySet } from "../key-set.ts";
import { createKeysInCluster } from "./create-in-cluster.ts";
import { DRAFT, filesOf, type HolderObject, holderObject, type KeyNames, keyHolders } from "./key-objects.ts";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));
const NAMES = {
  identitySecret: "heauth-keys-identity",
  hubSecret: "heauth-keys-hub",
  operatorSecret: "heauth-keys-operator",
  cliSecret: "heauth-keys-cli",
  ledgerConfigMap: "heauth-ledger-keys",
};
const secretNames = [NAMES.identitySecret, NAMES.hubSecret, NAMES.operatorSecret, NAMES.cliSecret];
const ACCESS_REVIEWS: ResourceType = {
  group: "authorization.k8s.io",
  version: "v1",
  plural: "subjectaccessreviews",
  kind: "SubjectAccessReview",
  namespaced: false,
};
/** The draft, the five, and the draft's end. */
const WRITES = 7;

describeKube("keys in a cluster", () => {
  let server: ApiServer;
  let admin: ClusterClient;
  let names: KeyNames;
  let own: ClusterClient;
  let namespaces = 0;

  beforeAll(async () => {
    server = await startApiServer({ crds: false });
    admin = server.client;
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => server?.stop());
  beforeEach(async () => {
    names = { ...NAMES, namespace: `keys-${++namespaces}` };
    await admin.create(NAMESPACES, { metadata: { name: names.namespace } });
    await install(names.namespace);
    own = (await openCluster({ kubeconfig: await server.kubeconfig(account()) })).client;
  }, 60_000);

  const account = () => ({ serviceAccount: "keys", namespace: names.namespace });

  /** The account of the Job, with the rights that it needs. */
  async function install(namespace: string): Promise<void> {
    const metadata = { namespace, name: "keys" };
    const rule = (resources: string, resourceNames: string[], verbs: string[]) => ({
      apiGroups: [""],
      resources: [resources],
      resourceNames,
      verbs,
    });
    const rules = [
      rule("secrets", [...secretNames, DRAFT.name], ["get", "create", "patch"]),
      rule("secrets", [DRAFT.name], ["delete"]),
      rule("configmaps", [NAMES.ledgerConfigMap], ["get", "create", "patch"]),
    ];
    const rbac = "rbac.authorization.k8s.io";
    const items = [
      { apiVersion: "v1", kind: "ServiceAccount", metadata },
      { apiVersion: `${rbac}/v1`, kind: "Role", metadata, rules },
      {
        apiVersion: `${rbac}/v1`,
        kind: "RoleBinding",
        metadata,
        roleRef: { apiGroup: rbac, kind: "Role", name: "keys" },
        subjects: [{ kind: "ServiceAccount", name: "keys", namespace }],
      },
    ];
    const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
    expect(await server.kubectl(["apply", "-f", "-"], list)).toMatchObject({ code: 0 });
    while (!(await mayDelete(namespace))) await pause(20);
  }

  /** Whether the API server goes by those rights already: it hears of them some time after they were written. */
  async function mayDelete(namespace: string): Promise<boolean> {
    const review = {
      metadata: {},
      spec: {
        user: `system:serviceaccount:${namespace}:keys`,
        resourceAttributes: { namespace, verb: "delete", resource: "secrets", name: DRAFT.name },
      },
    };
    const { status } = await admin.create<typeof review & { status?: { allowed: boolean } }>(ACCESS_REVIEWS, review);
    return status?.allowed === true;
  }

  /** Every file, of however many there are. */
  async function files(): Promise<ReadonlyMap<string, string>> {
    const objects = keyHolders(names).map(async (holder) => {
      const { namespace } = names;
      const object = await admin
        .get<HolderObject>(holder.type, { namespace, name: holder.name })
        .catch(() => undefined);
      return object === undefined ? [] : [...filesOf(holder, object)];
    });
    return new Map((await Promise.all(objects)).flat());
  }
  /** All of one set, and nothing left over. */
  async function expectWhole(): Promise<ReadonlyMap<string, string>> {
    const held = await files();
    expect(held.size).toBe(6);
    expect((await createKeysInCluster(own, names)).did).toBe("there");
    expect(await files()).toEqual(held);
    await expect(admin.get(SECRETS, { namespace: names.namespace, name: DRAFT.name })).rejects.toMatchObject({
      code: "NotFound",
    });
    return held;
  }

  /** A client whose process ends at its nth write: before the API server gets it, or before it hears of it. */
  function endingAt(nth: number, when: "before" | "after"): ClusterClient {
    let writes = 0;
    const write = async <T>(send: () => Promise<T>): Promise<T> => {
      writes += 1;
      if (writes > nth) throw new Error("nothing is written after the end");
      if (writes < nth) return await send();
      if (when === "after") await send();
      throw new Error("killed");
    };
    return {
      ...own,
      apply: (...of) => write(() => own.apply(...of)) as never,
      remove: (...of) => write(() => own.remove(...of)),
    };
  }

  test("a set is made, each Secret for good, and then left as it is", async () => {
    expect((await createKeysInCluster(own, names)).did).toBe("created");
    await expectWhole();
    const { items } = await admin.list<HolderObject>(SECRETS, { namespace: names.namespace });
    expect(items.map(({ metadata }) => metadata.name).sort()).toEqual([...secretNames].sort());
    expect(items.every(({ immutable }) => immutable === true)).toBe(true);
  });

  test.each(
    Array.from({ length: WRITES }, (_, at) => at + 1).flatMap((nth) => [
      [nth, "before"] as const,
      [nth, "after"] as const,
    ]),
  )("ended at write %i, %s it is done: the next one goes on with the same set", async (nth, when) => {
    await expect(createKeysInCluster(endingAt(nth, when), names)).rejects.toThrow("killed");
    const before = await files();
    const { did } = await createKeysInCluster(own, names);
    expect(did).toBe(before.size === 6 ? "there" : nth === 1 && when === "before" ? "created" : "completed");
    const held = await expectWhole();
    for (const [file, content] of before) expect(held.get(file)).toBe(content);
  });

  test("as many as begin at once make one set", async () => {
    const outcomes = await Promise.all(Array.from({ length: 6 }, () => createKeysInCluster(own, names)));
    expect(outcomes.filter(({ did }) => did === "created")).toHaveLength(1);
    const held = await expectWhole();
    for (const { pinned } of outcomes) {
      for (const id of pinned.keys()) expect(held.get("ledger-keys.json")).toContain(id);
    }
  });

  test("whoever looked before the first began, and goes on when it has ended, makes no second set", async () => {
    let other: Promise<unknown> | undefined;
    const late: ClusterClient = {
      ...own,
      apply: async (...of) => {
        other ??= createKeysInCluster(own, names);
        await other;
        return await own.apply(...of);
      },
    };
    const { pinned } = await createKeysInCluster(late, names);
    const held = await expectWhole();
    for (const id of pinned.keys()) expect(held.get("ledger-keys.json")).toContain(id);
  });

  test("where some are missing it refuses, names them, and makes nothing", async () => {
    await createKeysInCluster(own, names);
    await admin.remove(SECRETS, { namespace: names.namespace, name: NAMES.hubSecret });
    await admin.remove(CONFIG_MAPS, { namespace: names.namespace, name: NAMES.ledgerConfigMap });
    const before = await files();
    await expect(createKeysInCluster(own, names)).rejects.toMatchObject({
      code: "KeyFile",
      message: expect.stringMatching(
        /no Secret heauth-keys-hub, ConfigMap heauth-ledger-keys, but there is Secret heauth-keys-identity/,
      ),
    });
    expect(await files()).toEqual(before);
  });

  test("a Secret of another set is not mixed with what an earlier run left unfinished, nor made part of a whole one", async () => {
    await expect(createKeysInCluster(endingAt(2, "before"), names)).rejects.toThrow("killed");
    const [, hub] = keyHolders(names);
    if (hub === undefined) throw new Error("there is no hub");
    await admin.create(SECRETS, holderObject(hub, names.namespace, newKeySet()));
    const before = await files();
    const refused = {
      code: "KeyFile",
      message: expect.stringMatching(/^Secret heauth-keys-hub holds other keys than/),
    };
    await expect(createKeysInCluster(own, names)).rejects.toMatchObject(refused);
    expect(await files()).toEqual(before);
  });

  test("keys that were made elsewhere do, if they belong together", async () => {
    const set = newKeySet();
    for (const holder of keyHolders(names)) await admin.create(holder.type, holderObject(holder, names.namespace, set));
    expect((await createKeysInCluster(own, names)).did).toBe("there");
    const { namespace } = names;
    await admin.remove(SECRETS, { namespace, name: NAMES.operatorSecret });
    const [, , operator] = keyHolders(names);
    if (operator === undefined) throw new Error("there is no operator");
    await admin.create(SECRETS, holderObject(operator, namespace, newKeySet()));
    await expect(createKeysInCluster(own, names)).rejects.toMatchObject({
      code: "KeyFile",
      message: expect.stringMatching(
        /ledger-keys\.json does not have the key of Secret heauth-keys-operator, operator\.json/,
      ),
    });
  });

  describe("as a process", () => {
    function start(kubeconfig: string): ChildProcess {
      const args = ["keys", "create", "--kubernetes", "--kubeconfig", kubeconfig];
      return spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    }
    async function ended(child: ChildProcess) {
      if (child.stdout === null || child.stderr === null) throw new Error("there are no pipes");
      const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
      return { code: child.exitCode, signal: child.signalCode, stdout, stderr };
    }

    test("killed in the middle, and begun again: one set, nothing secret shown, no right unused or missing", async () => {
      const door = await server.proxied();
      let writes = 0;
      let child: ChildProcess | undefined;
      door.onRequest({
        after: ({ method }) => {
          if (method === "PATCH" && ++writes === 4) child?.kill("SIGKILL");
        },
      });
      child = start(await door.kubeconfig(account()));
      expect(await ended(child)).toMatchObject({ signal: "SIGKILL" });
      await door.stop();
      const before = await files();
      expect(before.size).toBeGreaterThan(0);

      const kubeconfig = await server.kubeconfig(account());
      const { code, stdout, stderr } = await ended(start(kubeconfig));
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toMatch(
        /^completed the programs' keys.*\n {2}Secret heauth-keys-identity +identity\.json, server-secrets\.json\n/,
      );
      expect(stdout).toContain(`kubectl get -n ${names.namespace} secret/heauth-keys-identity`);
      const held = await expectWhole();
      for (const [file, content] of before) expect(held.get(file)).toBe(content);
      const secrets = [...held].flatMap(([file, content]) =>
        file === "ledger-keys.json" ? [] : content.match(/[\w+/=-]{40,}/g),
      );
      expect(secrets.length).toBeGreaterThan(5);
      for (const secret of secrets) expect(stdout).not.toContain(secret);
      expect((await ended(start(kubeconfig))).stdout).toMatch(/^the programs' keys are there already/);

      const username = `system:serviceaccount:${names.namespace}:keys`;
      const events = (await server.audit()).filter(
        ({ user, stage }) => user.username === username && stage === "ResponseComplete",
      );
      expect(events.filter(({ responseStatus }) => responseStatus?.code === 403)).toEqual([]);
      const verbs = events.map(
        ({ verb, objectRef, responseStatus }) =>
          `${responseStatus?.code === 201 ? "create" : verb} ${objectRef?.resource}`,
      );
      expect([...new Set(verbs)].sort()).toEqual([
        "create configmaps",
        "create secrets",
        "delete secrets",
        "get configmaps",
        "get secrets",
      ]);
    }, 60_000);
  });
});
