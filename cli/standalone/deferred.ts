import type { Part } from "@heauth/program";

/** A part that can only be made once those before it have started. */
export function deferred(name: string, make: () => Promise<Part>): Part {
  let part: Part | undefined;
  return {
    name,
    async start() {
      part = await make();
      await part.start();
    },
    async stop(deadline) {
      await part?.stop(deadline);
    },
  };
}
