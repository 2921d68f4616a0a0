import { asError, createBackoff, type Logger, type Part, pause } from "@heauth/program";

const BACKOFF = { firstMs: 1_000, maxMs: 30_000 };

/** Leads as long as it runs, where there is nobody to agree with; when leading ends by itself, again after a while. */
export function alone(lead: (lost: AbortSignal) => Promise<void>, log: Logger): Part {
  const stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();

  async function run(): Promise<void> {
    const backoff = createBackoff(BACKOFF);
    while (!stopping.signal.aborted) {
      await lead(stopping.signal).catch((error) => {
        if (!stopping.signal.aborted) log.error({ err: asError(error) }, "reconciling failed");
      });
      await pause(backoff.next(), stopping.signal).catch(() => {});
    }
  }

  return {
    name: "reconciling",
    async start() {
      running = run();
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
