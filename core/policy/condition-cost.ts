import type { ASTNode } from "@marcbachmann/cel-js";
import { conditionFunctions, conditionVariables } from "./condition-environment.ts";

/** How many entries a list whose length is not known is taken to have. */
const assumedLength = 64;
const macros = new Set(["all", "exists", "exists_one", "filter", "map"]);

/**
 * Walks a condition's syntax tree.
 * @returns its cost (evaluated nodes, at worst), or what it uses and may not
 */
export function costOf(node: ASTNode): { readonly cost: number } | { readonly refused: string } {
  const found: string[] = [];
  const cost = walk(node, (refused) => found.push(refused));
  return found[0] === undefined ? { cost } : { refused: found[0] };
}

function walk(node: ASTNode, refuse: (what: string) => void): number {
  switch (node.op) {
    case "value":
      return 1;
    case "id":
      if (node.args === "cel" || node.args === "google") refuse(`${node.args} is not available`);
      return 1;
    case "call":
      if (!conditionFunctions.has(node.args[0])) refuse(`${node.args[0]}() is not available`);
      return 1 + sum(node.args[1], refuse);
    case "rcall": {
      const [name, receiver, args] = node.args;
      if (!conditionFunctions.has(name)) refuse(`${name}() is not available`);
      const once = sum(args, refuse);
      return 1 + walk(receiver, refuse) + (macros.has(name) ? lengthOf(receiver) * once : once);
    }
    case ".": {
      const [object, field] = node.args;
      const name = object.op === "id" ? object.args : "";
      if (Object.hasOwn(conditionVariables, name)) {
        const fields = conditionVariables[name as keyof typeof conditionVariables];
        if (!Object.hasOwn(fields, field)) {
          refuse(`${name} has no ${field}, only ${Object.keys(fields).join(", ")}`);
        }
      }
      return 1 + walk(object, refuse);
    }
    case "map":
      return 1 + sum(node.args.flat(), refuse);
    case "!_":
    case "-_":
      return 1 + walk(node.args, refuse);
    default: {
      const operands: readonly (ASTNode | string)[] = node.args;
      return (
        1 +
        sum(
          operands.filter((each): each is ASTNode => typeof each !== "string"),
          refuse,
        )
      );
    }
  }
}

function sum(nodes: readonly ASTNode[], refuse: (what: string) => void): number {
  return nodes.reduce((total, each) => total + walk(each, refuse), 0);
}

function lengthOf(node: ASTNode): number {
  return node.op === "list" ? node.args.length : assumedLength;
}
