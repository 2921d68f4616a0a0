import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { newProgramKeyFile, type ProgramKey, parseProgramKeyFile } from "@heauth/core/keys";
import { publicKeyOf, rawPublicKey } from "@heauth/core/ledger";
import type { VerifiedToken } from "@heauth/core/policy";
import { signSessionStatement } from "@heauth/core/sessions";
import { type Clock, createMetrics, instant, uuidv7 } from "@heauth/program";
import { CallError } from "@heauth/protocol";
import { createSessionCache, type SessionCache, type SessionCacheOptions } from "./cache.ts";
import type { Bounds, Resolution, SessionAnswer, SessionSource } from "./session.ts";

/** Both clocks, moved by hand, together or apart. */
export class TestClock implements Clock {
  #wall = 1_800_000_000_000;
  #monotonic = 5_000;

  wallMs = () => this.#wall;
  wallMicros = () => this.#wall * 1000;
  monotonicMs = () => this.#monotonic;

  pass(ms: number): void {
    this.#wall += ms;
    this.#monotonic += ms;
  }
  setWall(byMs: number): void {
    this.#wall += byMs;
  }
  /** The machine sleeps: only the wall clock goes on. */
  sleep(ms: number): void {
    this.#wall += ms;
  }
}

/** A hub with sessions in memory, whose answers can be held back. */
export class TestHub implements SessionSource {
  readonly tenant = uuidv7();
  readonly identity: ProgramKey = parseProgramKeyFile(newProgramKeyFile("identity"), "identity");
  readonly answers = new Map<string, SessionAnswer>();
  /** What the sessions' tokens are signed with. */
  readonly privateKeys = new Map<string, KeyObject>();
  readonly clock: TestClock;
  lookUps = 0;
  mode: "answers" | "fails" | "hangs" | "held" = "answers";
  #held: (() => void)[] = [];

  constructor(clock: TestClock) {
    this.clock = clock;
  }

  async lookUp(_tenant: string, session: string) {
    this.lookUps += 1;
    const askedAt = instant(this.clock);
    // Read when it was asked for, however late it is told.
    const answer = this.answers.get(session) ?? unknownSession(session);
    if (this.mode === "fails") throw new CallError("UNAVAILABLE", "away");
    if (this.mode === "hangs") return new Promise<never>(() => {});
    if (this.mode === "held") await new Promise<void>((resolve) => this.#held.push(resolve));
    return { answer, askedAt };
  }

  /** Lets go of the answers held back, and answers at once from now on. */
  release(): void {
    this.mode = "answers";
    for (const resolve of this.#held.splice(0)) resolve();
  }

  open(options: { tenant?: string; signer?: ProgramKey; idleMs?: number; signedFor?: string } = {}): string {
    const id = uuidv7();
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const user = uuidv7();
    this.privateKeys.set(id, privateKey);
    const { bytes, signature } = signSessionStatement(
      {
        tenant: options.tenant ?? this.tenant,
        session: options.signedFor ?? id,
        kind: "User",
        user,
        publicKey: rawPublicKey(publicKey),
        opened: this.clock.wallMicros(),
        expires: this.clock.wallMicros() + 12 * 3600 * 1e6,
      },
      options.signer ?? this.identity,
    );
    this.answers.set(id, {
      session: id,
      status: "Open",
      generation: 1n,
      user,
      statement: bytes,
      statementSignature: signature,
      subject: "ada",
      roles: ["doctor"],
      closeReason: "",
      idleMs: options.idleMs ?? 0,
    });
    return id;
  }

  change(session: string, change: Partial<SessionAnswer>): bigint {
    const before = this.answers.get(session);
    if (before === undefined) throw new Error("no such session");
    const after = { ...before, generation: before.generation + 1n, ...change };
    this.answers.set(session, after);
    return after.generation;
  }

  revoke(session: string, closeReason = "Revoked"): bigint {
    return this.change(session, { status: "Closed", closeReason });
  }

  get identityKeys(): ReadonlyMap<string, KeyObject> {
    return new Map([[this.identity.id, publicKeyOf(this.identity.publicKey)]]);
  }
}

function unknownSession(session: string): SessionAnswer {
  const nothing = new Uint8Array();
  return {
    session,
    status: "Unknown",
    generation: 0n,
    user: "",
    statement: nothing,
    statementSignature: nothing,
    subject: "",
    roles: [],
    closeReason: "",
    idleMs: 0,
  };
}

export const bounds: Bounds = { revalidateAfterMs: 1000, maxStalenessMs: 30_000, idleTimeoutMs: 1_800_000 };

/** A cache before a hub, with a stream that can be played by hand. */
export function testCache(options: Partial<SessionCacheOptions> = {}) {
  const clock = new TestClock();
  const hub = new TestHub(clock);
  const cache: SessionCache = createSessionCache({
    source: hub,
    identityKeys: () => hub.identityKeys,
    clock,
    metrics: createMetrics(),
    refreshWaitMs: 20,
    lookUpWaitMs: 50,
    ...options,
  });
  return {
    clock,
    hub,
    cache,
    resolve: (session: string, within: Partial<Bounds> = {}) =>
      cache.resolve(hub.tenant, session, { ...bounds, ...within }),
    /** A probe sent now is answered: the hub's last read began `ageMs` ago. */
    probed(ageMs = 0) {
      cache.listener.horizon({ wallMs: clock.wallMs() - ageMs, monotonicMs: clock.monotonicMs() - ageMs });
    },
    closedEvent: (session: string, generation: bigint) =>
      cache.listener.event({ kind: "SessionClosed", tenant: hub.tenant, session, generation }),
    changedEvent: (session: string, generation: bigint) =>
      cache.listener.event({ kind: "SessionChanged", tenant: hub.tenant, session, generation }),
  };
}

/** A resolution in one line, for tests to compare. */
export function told(resolution: Resolution): string {
  if (resolution.kind !== "Known") return resolution.kind;
  const { status, closeReason } = resolution.evidence;
  return [status, ...(closeReason ? [closeReason] : []), ...(resolution.stale ? ["stale"] : [])].join(" ");
}

/** Of a verified token. */
export const claims: VerifiedToken = { iss: "https://identity.test", tenant: "t", aud: ["shop"], nbf: 0, exp: 1 };
