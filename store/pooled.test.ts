import { describe, expect, test } from "@jest/globals";
import type pg from "pg";
import { refuseTransactionPooling } from "./pooled.ts";

/** A pool of two connections; `serverOf` says which server process answers. */
function poolOf(serverOf: (connection: number, question: number) => number): pg.Pool {
  let connections = 0;
  let questions = 0;
  const connect = async () => {
    const connection = connections++;
    return {
      query: async (sql: string) => ({
        rows: sql.startsWith("SELECT") ? [{ pid: serverOf(connection, questions++) }] : [],
      }),
      release: () => {},
    };
  };
  return { connect } as unknown as pg.Pool;
}

describe("a transaction pooler", () => {
  test.each<[string, (connection: number, question: number) => number]>([
    ["gives the first one's server to the second one's transaction", () => 7],
    [
      "gives the first one another server while the second one's transaction runs",
      (_, question) => [7, 7, 8][question] ?? 0,
    ],
    ["moves the first one to any other server", (_, question) => [7, 9, 8][question] ?? 0],
  ])("is refused when it %s", async (_, serverOf) => {
    await expect(refuseTransactionPooling(poolOf(serverOf))).rejects.toMatchObject({ code: "TransactionPooled" });
  });

  test("is not what a server of one's own is", async () => {
    await expect(refuseTransactionPooling(poolOf((connection) => 7 + connection))).resolves.toBeUndefined();
  });
});

test("a connection is given back when there is no second one: a pool with one in use never ends", async () => {
  let [connections, released] = [0, 0];
  const connect = async () => {
    if (connections++ > 0) throw new Error("refused");
    return { release: () => released++ };
  };
  await expect(refuseTransactionPooling({ connect } as unknown as pg.Pool)).rejects.toThrow("refused");
  expect(released).toBe(1);
});
