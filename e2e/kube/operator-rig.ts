import { randomBytes } from "node:crypto";
import { join, resolve } from "node:path";
import { loginUrl, type OwnServer, type TestDatabase, testDatabase } from "@heauth/store/testing";
import { runHeauth } from "../../examples/clinic/tour/standalone.ts";
import { eventually } from "../faults/eventually.ts";
import type { KubeUser } from "./access.ts";
import { type ApiServer, startApiServer } from "./api-server.ts";
import { type ProgramProcess, startProgram } from "./operator-process.ts";

export interface OperatorRigOptions {
  /** A PostgreSQL of the test's own, to be stopped in the middle; the test run's unless given. The rig does not stop it. */
  readonly server?: OwnServer;
  /** Whether the schema is there at the start; true unless given. */
  readonly migrated?: boolean;
  /** How long a silent leader is waited for; 2 s unless given, so that tests do not have to wait 15. */
  readonly lease?: string;
  /** How often a tenant's anchor is written at most; as the operator has it unless given. */
  readonly anchorInterval?: string;
}

export interface OperatorOptions {
  /** Instead of the one of the operator's own service account: as through a proxy. */
  readonly kubeconfig?: string;
  /** Instead of the rig's, with the operator's own login: as through a proxy. */
  readonly databaseUrl?: string;
  /** More flags; they come last. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A real API server, a real database, and as many real `heauth operator` processes as are started. */
export interface OperatorRig {
  readonly api: ApiServer;
  /** The superuser's way into the database. */
  readonly store: TestDatabase;
  /** Connection URL of a login that is a member of `heauth_operator` and of nothing else. */
  readonly databaseUrl: string;
  /** Folder with the key files of every program, and `ledger-keys.json`. */
  readonly keys: string;
  /** The operator's service account, with the rights of `manifests/rbac`. */
  readonly account: KubeUser;
  /** Starts one more, on its own free port. Resolves as soon as it runs; see `ready()` of it. */
  startOperator(options?: OperatorOptions): Promise<ProgramProcess>;
  /** Those that have been started and have not ended. */
  operators(): readonly ProgramProcess[];
  /** `kubectl apply -f -` as the cluster's admin; throws what kubectl says where it fails. */
  apply(...documents: readonly object[]): Promise<void>;
  /** `kubectl …` as the cluster's admin: its output; throws what it says where it fails. */
  kubectl(...args: readonly string[]): Promise<string>;
  /** A resource as the API server has it. `what`: as `tenant/acme`. */
  get<T = Resource>(what: string, namespace?: string): Promise<T>;
  /** Asks again until the resource is as wanted; throws, with the last answer, when it does not become so. */
  until<T = Resource>(what: string, wanted: (resource: T) => boolean, options?: UntilOptions): Promise<T>;
  /** Who holds the Lease now; "" while nobody does. */
  leader(): Promise<string>;
  /** Ends everything, by force where it must. Safe to call at any time, also twice. */
  stop(): Promise<void>;
}

export interface UntilOptions {
  readonly namespace?: string;
  /** 60 s unless given. */
  readonly withinMs?: number;
}

/** As much of a Tenant or an AuthPolicy as most tests look at. */
export interface Resource {
  readonly metadata: {
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation: number;
    readonly finalizers?: readonly string[];
    readonly deletionTimestamp?: string;
  };
  readonly status?: {
    readonly tenantId?: string;
    readonly policyDigest?: string;
    readonly observedGeneration?: number;
    readonly ledger?: { readonly epoch: number; readonly size: number; readonly time: string; readonly note: string };
    readonly pods?: { readonly selected: number; readonly injected: number; readonly synced: number };
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
      readonly lastTransitionTime: string;
      readonly observedGeneration?: number;
    }[];
  };
}

/** Of a resource, one condition's status: "" while it has none. */
export function conditionOf({ status }: Resource, type: string): string {
  return status?.conditions?.find((each) => each.type === type)?.status ?? "";
}

export const RELEASE_NAMESPACE = "heauth-system";
/** For tests in which no leader is silent: one that is only slow keeps it. */
export const UNHURRIED_LEASE = "15s";
const MANIFESTS = resolve(import.meta.dirname, "../../manifests");
const ISSUER = "https://id.test";

/** Starts API server and database, without any operator; when that fails, nothing is left. */
export async function startOperatorRig({
  server,
  migrated = true,
  lease = "2s",
  anchorInterval,
}: OperatorRigOptions = {}): Promise<OperatorRig> {
  const opening = testDatabase({ migrated, ...(server && { server: server.url }) });
  // Who waits for it meets its error.
  opening.catch(() => {});
  const api = await startApiServer().catch(async (error: unknown) => {
    await opening.then(
      (database) => database.drop(),
      () => {},
    );
    throw error;
  });
  const started: { readonly operator: ProgramProcess; ended: boolean }[] = [];
  const login = `operator_${randomBytes(6).toString("hex")}`;
  let store: TestDatabase | undefined;

  async function kubectl(...args: readonly string[]): Promise<string> {
    return await run(args);
  }

  async function run(args: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await api.kubectl(args, input);
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")} ended with ${code}: ${stderr}`);
    return stdout;
  }

  async function get<T = Resource>(what: string, namespace?: string): Promise<T> {
    return JSON.parse(await run(["get", what, "-o", "json", ...(namespace ? ["-n", namespace] : [])])) as T;
  }

  async function stop(): Promise<void> {
    await Promise.all(started.filter(({ ended }) => !ended).map(({ operator }) => operator.stop("SIGKILL")));
    await api.stop();
    const superuser = store?.superuser;
    store = undefined;
    await superuser?.query(`DROP ROLE IF EXISTS ${login}`);
    await dropping?.();
  }
  let dropping: (() => Promise<void>) | undefined;

  try {
    const database = await opening;
    store = database;
    dropping = async () => {
      dropping = undefined;
      await database.drop();
    };
    // As docs say that it is to be made: a login of its own, with the rights of its program and no others.
    await database.superuser.query(`CREATE ROLE ${login} LOGIN PASSWORD '${login}' NOINHERIT IN ROLE heauth_operator`);
    const databaseUrl = loginUrl(database.url, login, login);
    const keys = join(api.folder, "keys");
    const makeKeys = async () => {
      const made = await runHeauth(["keys", "create", keys]);
      if (made.code !== 0) throw new Error(made.output);
    };
    const install = async () => {
      await run(["apply", "-f", join(MANIFESTS, "namespace.yaml")]);
      await run(["apply", "-f", join(MANIFESTS, "rbac")]);
    };
    const done = await Promise.allSettled([makeKeys(), install()]);
    for (const each of done) if (each.status === "rejected") throw each.reason;
    const account = { serviceAccount: "heauth-operator", namespace: RELEASE_NAMESPACE };
    const kubeconfig = await api.kubeconfig(account);

    return {
      api,
      store: database,
      databaseUrl,
      keys,
      account,
      kubectl,
      get,
      stop,
      operators: () => started.filter(({ ended }) => !ended).map(({ operator }) => operator),
      async startOperator({ flags = [], env = {}, ...own } = {}) {
        const operator = await startProgram({
          program: "operator",
          flags: [
            ...["--kubeconfig", own.kubeconfig ?? kubeconfig, "--issuer", ISSUER, "--lease", lease],
            ...["--program-key", join(keys, "operator.json"), "--ledger-keys", join(keys, "ledger-keys.json")],
            ...(anchorInterval === undefined ? [] : ["--anchor-interval", anchorInterval]),
            ...["--probes", "127.0.0.1:0", ...flags],
          ],
          env: { HEAUTH_DATABASE: own.databaseUrl ?? databaseUrl, ...env },
        });
        const one = { operator, ended: false };
        started.push(one);
        void operator.ended.then(() => {
          one.ended = true;
        });
        return operator;
      },
      async apply(...documents) {
        const list = { apiVersion: "v1", kind: "List", items: documents };
        await run(["apply", "-f", "-"], JSON.stringify(list));
      },
      async until<T = Resource>(
        what: string,
        wanted: (resource: T) => boolean,
        { namespace, withinMs = 60_000 }: UntilOptions = {},
      ) {
        const found = await eventually(() => get<T>(what, namespace), wanted, withinMs);
        if (!wanted(found)) {
          const logs = started.map(({ operator }) => operator.log.slice(-15).map((line) => JSON.stringify(line)));
          throw new Error(`${what} did not become as wanted: ${JSON.stringify(found)}\n${logs.flat().join("\n")}`);
        }
        return found;
      },
      async leader() {
        type Lease = { readonly spec?: { readonly holderIdentity?: string } };
        const lookup = await api.kubectl(["get", "lease/heauth-operator", "-n", RELEASE_NAMESPACE, "-o", "json"]);
        return lookup.code === 0 ? ((JSON.parse(lookup.stdout) as Lease).spec?.holderIdentity ?? "") : "";
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
