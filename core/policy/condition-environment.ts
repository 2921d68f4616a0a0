import { Environment } from "@marcbachmann/cel-js";

/** What a condition may see. The one list: the environment, the check and the documentation come from it. */
export const conditionVariables = {
  request: {
    /** As sent, upper case. */
    method: "string",
    /** Normalised, percent-encodings resolved. */
    path: "string",
    /** Every value of every parameter, decoded. */
    query: "map<string, list<string>>",
  },
  session: {
    id: "string",
    subject: "string",
    roles: "list<string>",
    /** The tenant's name. */
    tenant: "string",
  },
} as const;

/** Functions, methods and macros that a condition may use. Operators: `! && || ?: == != < <= > >= + - * / % in [] .` */
export const conditionFunctions: ReadonlySet<string> = new Set([
  "size",
  "has",
  "contains",
  "startsWith",
  "endsWith",
  "all",
  "exists",
  "exists_one",
  "filter",
  "map",
]);

/** Limits on a condition's form. */
export const conditionLimits = { characters: 1024, nodes: 200, depth: 24, listElements: 64, cost: 20_000 } as const;

export const conditionEnvironment = new Environment({
  unlistedVariablesAreDyn: false,
  limits: {
    maxAstNodes: conditionLimits.nodes,
    maxDepth: conditionLimits.depth,
    maxListElements: conditionLimits.listElements,
    maxMapEntries: conditionLimits.listElements,
    maxCallArguments: 4,
  },
})
  .registerVariable({ name: "request", schema: conditionVariables.request })
  .registerVariable({ name: "session", schema: conditionVariables.session });
