import type { Part } from "@heauth/program";

/** A part that can only be made once those before it have started. `make` is told when the part is stopped before it is made. */
export function deferred(name: string, make: (stopping: AbortSignal) => Promise<Part>): Part {
  const stopping = new AbortController();
  let part: Part | undefined;
  let making: Promise<Part> | undefined;
  return {
    name,
    async start() {
      making = make(stopping.signal);
      part = await making;
      await part.start();
    },
    async stop(deadline) {
      stopping.abort();
      // Its failure is the start's.
      await making?.catch(() => undefined);
      await part?.stop(deadline);
    },
  };
}
