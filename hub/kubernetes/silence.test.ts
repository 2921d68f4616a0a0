// An API server that gives no answers, for minutes.
import { createLogs, createMetrics, type Metrics } from "@heauth/program";
import { type ClusterClient, ClusterError, type ClusterErrorCode, PODS } from "@heauth/program/kubernetes";
import { createManualClock, type ManualClock } from "@heauth/program/testing";
import { CallError, type Metadata } from "@heauth/protocol";
import { beforeEach, describe, expect, test } from "@jest/globals";
import type { CallerResolver } from "../callers.ts";
import { callersOfCluster } from "./callers.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let clock: ManualClock;
let metrics: Metrics;
let callers: CallerResolver;
let asked: number;
let lines: { level: string; msg: string }[];
/** What the API server says instead of an answer. */
let trouble: ClusterErrorCode | undefined;
let isGone: boolean;

beforeEach(() => {
  [asked, lines, trouble, isGone] = [0, [], undefined, false];
  clock = createManualClock();
  metrics = createMetrics();
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  const { log } = createLogs({ program: "test", level: "info", destination });
  callers = callersOfCluster({ client, clock, log, metrics });
});

async function answer<T>(good: T): Promise<T> {
  asked += 1;
  if (trouble !== undefined) throw new ClusterError(trouble, "no");
  return good;
}
const extra = { "authentication.kubernetes.io/pod-name": ["web-0"], "authentication.kubernetes.io/pod-uid": ["uid-1"] };
const status = {
  authenticated: true,
  audiences: ["heauth-hub"],
  user: { username: "system:serviceaccount:shop:web", extra },
};
const pod = {
  metadata: { uid: "uid-1", labels: {} },
  spec: { serviceAccountName: "web", initContainers: [{ name: "heauth", image: "heauth:1", restartPolicy: "Always" }] },
  status: { phase: "Running" },
};
const client = {
  create: (_type: unknown, { spec: { token } }: { spec: { token: string } }) =>
    answer({ metadata: {}, status: token.endsWith(".forged") ? { authenticated: false } : status }),
  async get(type: unknown) {
    expect(type).toBe(PODS);
    const found = await answer(pod);
    if (isGone) throw new ClusterError("NotFound", "gone");
    return found;
  },
} as unknown as ClusterClient;

function tokenOf(jti: string, { lifeMs = HOUR, signature = "sig" } = {}): string {
  const claims = { aud: ["heauth-hub"], exp: (clock.wallMs() + lifeMs) / 1000, jti };
  return `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.${signature}`;
}
const resolve = (token: string) =>
  callers.resolve({
    get: (name: string) => (name === "authorization" ? [`Bearer ${token}`] : []),
  } as unknown as Metadata);
const outcome = (token: string) =>
  resolve(token).then(
    ({ pod: name }) => name,
    (error: unknown) => (error instanceof CallError ? error.code : error),
  );
const reviews = async (kind: string) =>
  Number(new RegExp(`heauth_token_reviews_total{outcome="${kind}"} (\\d+)`).exec(await metrics.text())?.[1] ?? 0);

describe.each<ClusterErrorCode>(["Unreachable", "Timeout", "ServerError"])("while it is silent: %s", (code) => {
  test("a known caller stays known for ten minutes after the last good answer; a new one is sent away", async () => {
    const known = tokenOf("known");
    expect(await outcome(known)).toBe("web-0");
    trouble = code;
    clock.advance(10 * MINUTE - 1);
    expect(await outcome(known)).toBe("web-0");
    expect(await reviews("stale")).toBe(1);
    expect(await outcome(tokenOf("new"))).toBe("UNAVAILABLE");
    clock.advance(1);
    expect(await outcome(known)).toBe("UNAVAILABLE");
  });

  test("no longer than his token lasts", async () => {
    const short = tokenOf("short", { lifeMs: 3 * MINUTE });
    await resolve(short);
    trouble = code;
    clock.advance(3 * MINUTE - 1);
    expect(await outcome(short)).toBe("web-0");
    clock.advance(1);
    expect(await outcome(short)).toBe("UNAUTHENTICATED");
  });
});

test("a look at his pod is a good answer, too, though it proves no token", async () => {
  const token = tokenOf("known");
  const { proof } = await resolve(token);
  clock.advance(9 * MINUTE);
  await proof?.again();
  trouble = "Unreachable";
  clock.advance(9 * MINUTE);
  expect(await outcome(token)).toBe("web-0");
});

test("whoever was refused is not known, and neither is one whose pod is found gone by his stream", async () => {
  const [forged, token] = [tokenOf("forged", { signature: "forged" }), tokenOf("known")];
  expect(await outcome(forged)).toBe("UNAUTHENTICATED");
  const { proof } = await resolve(token);
  isGone = true;
  await expect(proof?.again()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  trouble = "Unreachable";
  clock.advance(2 * MINUTE);
  expect([await outcome(forged), await outcome(token)]).toEqual(["UNAVAILABLE", "UNAVAILABLE"]);
});

test("where it refuses the hub its questions, nobody is known any longer than usual", async () => {
  const token = tokenOf("known");
  await resolve(token);
  clock.advance(MINUTE);
  for (const code of ["Forbidden", "Unauthorized"] as const) {
    trouble = code;
    expect([await outcome(token), await outcome(token)]).toEqual(["UNAVAILABLE", "UNAVAILABLE"]);
  }
});

test("known callers ask once a second for all, it is said once, and when it answers again a gone pod is refused", async () => {
  const tokens = ["a", "b", "c"].map((jti) => tokenOf(jti));
  await Promise.all(tokens.map(resolve));
  clock.advance(2 * MINUTE);
  trouble = "Timeout";
  lines = [];
  const [first = ""] = tokens;
  await resolve(first);
  asked = 0;
  for (let second = 0; second < 5; second++) {
    for (const token of tokens) expect(await outcome(token)).toBe("web-0");
    clock.advance(1_000);
  }
  expect(asked).toBe(4);
  expect(await reviews("stale")).toBe(16);
  expect(lines.map(({ level, msg }) => [level, msg])).toEqual([
    ["error", "the API server can't be asked who calls; for a while, known sidecars stay known"],
  ]);
  [trouble, isGone] = [undefined, true];
  for (const token of tokens) expect(await outcome(token)).toBe("UNAUTHENTICATED");
  expect(lines.at(-1)?.msg).toBe("the API server can be asked again who calls");
});

test("a flood of forged tokens is counted, and said now and then", async () => {
  for (let count = 0; count < 50; count++) {
    await outcome(tokenOf(`${count}`, { signature: "forged" }));
    clock.advance(100);
  }
  clock.advance(5_000);
  await outcome(tokenOf("last", { signature: "forged" }));
  expect(await reviews("refused")).toBe(51);
  expect(lines).toMatchObject([{ unsaid: 0 }, { unsaid: 49 }]);
});
