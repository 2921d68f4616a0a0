import type { Logins, Tenancy } from "./tenancy.ts";

/** What somebody does to a tenant while the operator is killed. */
export interface Scenario {
  readonly name: string;
  readonly prepare: (it: Tenancy, logins: Logins) => Promise<void>;
  readonly act: (it: Tenancy) => Promise<void>;
  /** Resolves when all has come of it that is seen from outside; what is in the background may still be to come. */
  readonly done: (it: Tenancy) => Promise<void>;
}

const CHANGED = { sessions: { idleTimeout: "5m" }, reclaimPolicy: "Delete" };
const nothing = async () => {};

async function inUse(it: Tenancy, logins: Logins, spec: object = {}): Promise<void> {
  await it.live(spec);
  await logins.open(it.id);
}

/** Neighbours take about as long as each other. */
export const scenarios: readonly Scenario[] = [
  { name: "a Tenant is made", prepare: nothing, act: (it) => it.putTenant(), done: (it) => it.ready() },
  {
    name: "an AuthPolicy that refers to nobody is made",
    prepare: nothing,
    act: (it) => it.putPolicy({ tenantRef: { name: "nobody" } }),
    done: nothing,
  },
  {
    name: "an AuthPolicy is made",
    prepare: (it) => it.putTenant().then(() => it.ready()),
    act: (it) => it.putPolicy(),
    done: nothing,
  },
  { name: "an AuthPolicy is deleted", prepare: (it) => it.live(), act: (it) => it.removePolicy(), done: nothing },
  {
    name: "an AuthPolicy is changed",
    prepare: (it) => it.live(),
    act: (it) => it.putPolicy({ mode: "Shadow", selector: { matchLabels: { app: "api" } } }),
    done: nothing,
  },
  {
    name: "a Tenant forbids the namespace of an AuthPolicy",
    prepare: (it) => it.live(),
    act: (it) => it.putTenant({ allowedNamespaces: { from: "None" } }),
    done: nothing,
  },
  { name: "a Tenant is changed", prepare: (it) => it.live(), act: (it) => it.putTenant(CHANGED), done: nothing },
  {
    name: "a Tenant is deleted, its data retained",
    prepare: (it, logins) => inUse(it, logins),
    act: (it) => it.removeTenant(),
    done: (it) => it.gone(),
  },
  {
    name: "a Tenant is deleted with its data",
    prepare: (it, logins) => inUse(it, logins, { reclaimPolicy: "Delete" }),
    act: (it) => it.removeTenant(),
    done: (it) => it.gone(),
  },
  {
    name: "a Tenant takes over retained data",
    prepare: async (it, logins) => {
      await inUse(it, logins);
      await it.removeTenant();
      await it.gone();
    },
    act: (it) => it.putTenant({}, { "heauth.io/adopt": it.id }),
    done: (it) => it.ready({ anchored: true }),
  },
];
