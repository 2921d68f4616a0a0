import { main } from "@heauth/program";
import { createStandalone, type Standalone } from "./app.ts";
import { standaloneSettings } from "./config.ts";

/**
 * Runs everything on one machine until it is told to stop; `argv` as after the subcommand's name, `heauth` the file to start
 * sidecars with.
 */
export function runStandalone(start: { version: string; argv: string[]; heauth: string }): Promise<void> {
  const { version, argv, heauth } = start;
  let standalone: Standalone | undefined;
  return main({
    name: "standalone",
    version,
    about: `Runs operator, identity and hub, and a sidecar and an Envoy for each protected app, on one machine.
When all is ready it prints one line, "ready identity=URL NAMESPACE/POLICY=URL …"; logs go to standard error.`,
    schema: standaloneSettings,
    argv,
    async compose(context) {
      standalone = await createStandalone(context, heauth);
      return standalone.parts;
    },
    onReady: () => void process.stdout.write(`ready ${standalone?.addresses()}\n`),
  });
}
