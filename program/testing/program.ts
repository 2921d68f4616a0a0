// A program for tests, made of one part whose behaviour a setting chooses.
import { z } from "zod";
import { commonSettings, main } from "../main.ts";
import type { Part } from "../part.ts";
import { setting } from "../settings.ts";

const behaviours = [
  "works",
  "does-not-start",
  "hangs-at-stop",
  "throws-later",
  "rejects-later",
  "fails-later",
] as const;
const schema = z.object({
  ...commonSettings,
  behaviour: setting(z.enum(behaviours).default("works"), { description: "What the part does", example: "works" }),
  password: setting(z.string().optional(), { description: "A secret", example: "x", holds: "secret" }),
});

await main({
  name: "program",
  version: "1.2.3",
  about: "Does what its setting says.",
  schema,
  onReady: () => console.log("ready"),
  compose: ({ config: { behaviour }, logs, fail }) => {
    const log = logs.part("part");
    const heartbeat = setInterval(() => log.debug("heartbeat"), 20);
    const part: Part = {
      name: "part",
      async start() {
        if (behaviour === "does-not-start") throw new Error("cannot start");
        if (behaviour === "throws-later") {
          setTimeout(() => {
            throw new Error("uncaught");
          }, 10);
        }
        if (behaviour === "rejects-later") setTimeout(() => void Promise.reject(new Error("unhandled")), 10);
        if (behaviour === "fails-later") setTimeout(() => fail(new Error("disk is gone"), 74), 10);
      },
      async stop() {
        clearInterval(heartbeat);
        if (behaviour === "hangs-at-stop") await new Promise(() => {});
        console.log("part stopped");
      },
    };
    return [part];
  },
});
