import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectSocket, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** For tests, the line between sidecar and hub: a socket whose traffic can be held up, or cut. */
export class Line {
  readonly path: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "heauth-line-"));
  readonly #target: string;
  readonly #pairs = new Set<[Socket, Socket]>();
  readonly #server: Server;
  #stalled: "all" | "answers" | undefined;
  #cut = false;

  constructor(target: string) {
    this.#target = target;
    this.path = join(this.#folder, "hub.sock");
    this.#server = createServer((sidecar) => this.#join(sidecar)).listen(this.path);
  }

  #join(sidecar: Socket): void {
    if (this.#cut) {
      sidecar.destroy();
      return;
    }
    const hub = connectSocket(this.#target);
    const pair: [Socket, Socket] = [sidecar, hub];
    this.#pairs.add(pair);
    sidecar.pipe(hub);
    hub.pipe(sidecar);
    for (const end of pair) {
      end.on("error", () => {});
      end.on("close", () => {
        this.#pairs.delete(pair);
        for (const other of pair) other.destroy();
      });
    }
    if (this.#stalled !== undefined) this.stall(this.#stalled);
  }

  stall(what: "all" | "answers" = "all"): void {
    this.#stalled = what;
    for (const [sidecar, hub] of this.#pairs) {
      hub.unpipe(sidecar).pause();
      if (what === "all") sidecar.unpipe(hub).pause();
    }
  }

  flow(): void {
    this.#stalled = undefined;
    for (const [sidecar, hub] of this.#pairs) {
      sidecar.unpipe(hub).pipe(hub);
      hub.unpipe(sidecar).pipe(sidecar);
    }
  }

  cut(): void {
    this.#cut = true;
    for (const [sidecar, hub] of this.#pairs) {
      sidecar.destroy();
      hub.destroy();
    }
  }

  mend(): void {
    this.#cut = false;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((done) => this.#server.close(done));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
