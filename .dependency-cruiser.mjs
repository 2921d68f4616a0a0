/** Arrows of the house: what each room may import. Everything not listed is a wrong arrow. */
const may = {
  core: [],
  program: [],
  protocol: [],
  store: ["core", "program"],
  sidecar: ["core", "program", "protocol"],
  identity: ["core", "program", "store"],
  hub: ["core", "program", "protocol", "store"],
  operator: ["core", "program", "store"],
  cli: ["core", "program", "protocol", "store", "sidecar", "identity", "hub", "operator"],
  // Core and store, to forge what an attacker would.
  e2e: ["core", "program", "store", "cli"],
};
const rooms = Object.keys(may).join("|");

export default {
  forbidden: [
    { name: "no-circular", severity: "error", from: {}, to: { circular: true } },
    { name: "no-unresolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
    ...Object.entries(may).map(([room, below]) => ({
      name: `${room}-arrows`,
      severity: "error",
      from: { path: `^${room}/` },
      to: { path: `^(?!${[room, ...below].join("/|")}/)(${rooms})/` },
    })),
    {
      name: "no-private-reach",
      severity: "error",
      comment: "across packages only through exports",
      from: { path: "^([^/]+)/" },
      to: { path: `^(${rooms})/`, pathNot: "^$1/", dependencyTypes: ["local"] },
    },
    {
      name: "no-kubernetes-in-standalone-work",
      severity: "error",
      comment: "jobs go on while the API server is away, and these programs never speak to it",
      from: { path: "^(operator/jobs|sidecar|identity|store)/" },
      to: { path: "^program/kubernetes/" },
    },
    {
      name: "ledger-imports-no-sibling",
      severity: "error",
      comment: "the ledger must be readable, and verifiable, on its own",
      from: { path: "^core/ledger/" },
      to: { path: "^core/(?!ledger/)" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "\\.test\\.ts$" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default"],
      extensions: [".ts", ".mjs", ".js", ".json"],
    },
  },
};
