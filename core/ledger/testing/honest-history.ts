import type { TestJournal, TestRecord } from "./test-journal.ts";
import { TestLedger } from "./test-ledger.ts";

export type HistoryOptions = {
  /** the same seed gives the same course of events */
  readonly seed?: number;
  /** how many things happen */
  readonly steps?: number;
  /** leave the newest rows out of the log */
  readonly unsealedTail?: boolean;
};

/** What goes on in one tenant, step by step. */
class Course {
  readonly ledger: TestLedger;
  readonly #open: string[] = [];
  readonly #closing: string[] = [];
  readonly #closed: string[] = [];
  readonly #sidecars: TestJournal[] = [];
  readonly #spared = new Set<string>();
  #identity: TestJournal;
  readonly #operator: TestJournal;

  constructor(seed: number) {
    this.ledger = new TestLedger(seed);
    this.#identity = this.ledger.openJournal("identity");
    this.#operator = this.ledger.openJournal("operator");
    for (const pod of ["clinic/app-0", "clinic/app-1"])
      this.#sidecars.push(this.ledger.openJournal("sidecar", { pod }));
    this.#operator.write([{ type: "policy.changed", at: this.ledger.now(), policy: `sha256:${"5e".repeat(32)}` }]);
    this.login();
    this.login();
  }

  login(): void {
    this.#open.push(this.ledger.openSession(this.#identity));
  }

  requests(): void {
    const { random } = this.ledger;
    const which = random.below(this.#sidecars.length);
    const journal = this.#sidecars[which];
    if (journal === undefined) return;
    const count = 1 + random.below(6);
    journal.write(Array.from({ length: count }, () => this.#request()));
  }

  #request(): TestRecord {
    const { random } = this.ledger;
    const at = this.ledger.now();
    const request = random.hex(12);
    const path = `/patients/${random.below(9999)}`;
    if (random.chance(10)) {
      return {
        type: "decision",
        at,
        request,
        decision: "Deny",
        reason: "NoCredential",
        private: { method: "GET", path },
      };
    }
    const pool = random.chance(10) && this.#closed.length > 0 ? this.#closed : this.#open;
    const session = random.pick(pool);
    if (session === undefined) return { type: "decision", at, request, decision: "Deny", reason: "UnknownSession" };
    if (random.chance(10)) return { type: "action", at, session, request, action: "print" };
    return {
      type: "decision",
      at,
      session,
      request,
      rule: "patients",
      action: "patient.read",
      decision: "Allow",
      policy: `sha256:${"5e".repeat(32)}`,
      private: { method: "GET", path, peer: "10.0.0.9", details: { "10": "ten", "9": "nine" } },
    };
  }

  logout(): void {
    const [session] = this.#open.splice(this.ledger.random.below(this.#open.length), 1);
    if (session === undefined) return;
    const journal = this.ledger.random.chance(30) ? this.#operator : this.#identity;
    journal.write([{ type: "session.close", at: this.ledger.now(), session, reason: "Logout" }]);
    this.#closing.push(session);
  }

  closeBlock(): void {
    const session = this.#closing.shift();
    if (session === undefined) return;
    this.ledger.closeBlock(session);
    this.#closed.push(session);
  }

  amend(): void {
    const late = this.#closed.find((session) => (this.ledger.sessions.get(session)?.late.length ?? 0) > 0);
    if (late !== undefined) this.ledger.amend(late, this.#operator);
  }

  /** A sidecar dies; the next one of the pod ships what it left and closes its journal. */
  crash(): void {
    const { random } = this.ledger;
    const which = random.below(this.#sidecars.length);
    const dead = this.#sidecars[which];
    const pod = dead?.options.pod;
    if (dead === undefined || pod === undefined) return;
    const next = this.ledger.openJournal("sidecar", { pod, recovers: [dead] });
    this.#sidecars[which] = next;
    if (random.chance(40)) {
      next.write([{ type: "gap", at: this.ledger.now(), gap: { journal: dead.id, from: dead.seq, lost: 3 } }]);
      return;
    }
    dead.write([this.#request(), { type: "journal.close", at: this.ledger.now(), reason: "Recovered" }], next);
  }

  restartIdentity(): void {
    this.#identity.write([{ type: "journal.close", at: this.ledger.now() }]);
    this.#identity = this.ledger.openJournal("identity");
    this.#identity.write([{ type: "identity.user.created", at: this.ledger.now(), private: { login: "nurse" } }]);
  }

  erase(): void {
    const session = this.#closed[0];
    if (session !== undefined) this.ledger.erase(session, this.#identity);
  }

  /** What is old is dropped, but of those who are still there; of one of them who has gone since, it is dropped with his name. */
  drop(): void {
    const gone = this.#closed.find((session) => this.#spared.delete(session));
    if (gone !== undefined) this.ledger.erase(gone, this.#operator);
    for (const session of [...this.#open, ...this.#closing]) this.#spared.add(session);
    this.ledger.drop(this.#operator, [...this.#spared]);
  }

  step(): void {
    const dice = this.ledger.random.below(100);
    if (dice < 12) this.login();
    else if (dice < 52) this.requests();
    else if (dice < 62) this.logout();
    else if (dice < 72) this.closeBlock();
    else if (dice < 77) this.amend();
    else if (dice < 81) this.crash();
    else if (dice < 84) this.restartIdentity();
    else if (dice < 86) this.erase();
    else if (dice < 88) this.drop();
    else this.ledger.seal();
  }
}

/** An honest ledger with several journals, sessions, blocks, late records, recoveries, erasures, gaps and checkpoints. */
export function honestHistory({ seed = 1, steps = 60, unsealedTail = false }: HistoryOptions = {}): TestLedger {
  const course = new Course(seed);
  for (let step = 0; step < steps; step++) course.step();
  if (!unsealedTail) course.ledger.seal();
  return course.ledger;
}
