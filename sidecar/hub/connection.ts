import { asError, type Clock, type Logger, type Metrics, type Part } from "@heauth/program";
import { CallError, connect, Hub, type Policy, type PolicyRemoved, type SessionState } from "@heauth/protocol";
import type { SessionSource, SyncListener } from "../sessions/session.ts";
import type { HubJournals } from "../shipper/hub-journals.ts";
import type { HubAddress } from "./address.ts";
import { createBreaker } from "./breaker.ts";
import type { PolicyName, PolicyVerdict } from "./conversation.ts";
import { createHubJournals } from "./journals.ts";
import { createLookUps } from "./look-ups.ts";
import { createStandingStream, type StandingStream } from "./standing-stream.ts";
import { defaultTiming, type HubTiming } from "./timing.ts";
import { createWatermarks, type JournalProgress } from "./watermarks.ts";

export interface HubConnectionOptions {
  address: HubAddress;
  /** The sidecar program's. */
  version: string;
  /** What it can enforce. */
  features: readonly string[];
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  timing?: Partial<HubTiming>;
}

/** Whom the hub holds this sidecar to be. */
export interface HubWelcome {
  /** Id of the hub's program key, for journals' registrations. */
  readonly registrar: string;
  /** `<namespace>/<pod>`, for registrations and records. */
  readonly pod: string;
}

/** What the app does with what comes by the stream. */
export interface HubListener {
  /** After each connect. */
  welcome(welcome: HubWelcome): void;
  /** Puts the policy in force, and answers with that, or why not, once or again; nothing of it is checked yet. Must not throw. */
  policy(policy: Policy, answer: (verdict: PolicyVerdict) => void): void;
  policyRemoved(name: PolicyRemoved): void;
  /** After each connect: the hub has told all policies of this pod; any other is none of its any more. */
  policiesTold(names: readonly PolicyName[]): void;
  sessions: SyncListener;
  /** Of the journal that takes records now; undefined while there is none. */
  progress(): JournalProgress | undefined;
}

/** The sidecar's connection to the hub: look-ups and journals at any time, the stream once somebody listens. */
export interface HubConnection extends Part {
  readonly sessions: SessionSource;
  readonly journals: HubJournals;
  /** Whether the stream stands. */
  readonly connected: boolean;
  /** Who is told of what comes by the stream; to be called once, before `start()`. */
  listen(listener: HubListener): void;
}

/** Longest message from the hub: 512 session states, or a policy. */
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;
const MAX_CALLS = 4;
const MAX_WAITING = 20_000;
const FAILURES_TO_OPEN = 2;

export function createHubConnection(options: HubConnectionOptions): HubConnection {
  const { address, version, features, clock, log, metrics } = options;
  const timing = { ...defaultTiming, ...options.timing };
  const { target, network } = address;
  const client = connect(Hub, {
    target,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    maxReconnectMs: timing.reconnectMax,
    ...(network === undefined
      ? {}
      : {
          authorities: network.authorities,
          headers: () => ({ authorization: `Bearer ${network.token.current()}` }),
          keepAliveMs: timing.keepAlive,
        }),
  });
  const { breakerFirst: firstMs, breakerMax: maxMs } = timing;
  const breaker = createBreaker({ clock, maxCalls: MAX_CALLS, failures: FAILURES_TO_OPEN, firstMs, maxMs });
  let stream: StandingStream | undefined;
  metrics.gauge("heauth_hub_connected", () => (stream?.connected ? 1 : 0));

  async function lookUp(tenant: string, sessions: string[]): Promise<SessionState[]> {
    try {
      const deadlineMs = timing.lookUpDeadline;
      return (await client.call("lookUpSessions", { tenant, sessions }, { deadlineMs })).sessions;
    } catch (error) {
      const code = error instanceof CallError ? error.code : "UNKNOWN";
      metrics.counter("heauth_hub_call_failures_total", { call: "lookUpSessions", code }).add();
      throw asError(error);
    }
  }

  return {
    name: "hub-connection",
    sessions: createLookUps({ call: lookUp, breaker, clock, maxWaiting: MAX_WAITING }),
    journals: createHubJournals(client, { registerMs: timing.registerDeadline, appendMs: timing.appendDeadline }),
    get connected() {
      return stream?.connected ?? false;
    },
    listen({ progress, ...told }) {
      const watermarks = createWatermarks(progress);
      const handlers = { ...told, seen: watermarks.seen, watermarks: watermarks.current };
      stream = createStandingStream({ client, timing, log, metrics, version, features, clock, handlers });
    },
    async start() {
      await network?.authorities.start();
      await network?.token.start();
      stream?.start();
    },
    async stop(deadline) {
      await stream?.stop();
      client.close();
      await network?.token.stop(deadline);
      await network?.authorities.stop(deadline);
    },
  };
}
