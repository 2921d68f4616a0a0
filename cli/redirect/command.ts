import { Command } from "@commander-js/extra-typings";
import { readConfig, setting } from "@heauth/program";
import { applyRedirect } from "@heauth/sidecar/redirect";
import * as z from "zod";
import { CliError } from "../errors.ts";

const port = z.int().min(1).max(65_535);

const schema = z.object({
  envoyPort: setting(port, { description: "Where all inbound TCP goes.", example: "15006" }),
  healthPort: setting(port, { description: "The only other port that is open.", example: "15020" }),
});

/** `heauth redirect` */
export function redirectCommand() {
  return new Command("redirect")
    .description("send every inbound connection of the pod that this runs in to its Envoy; needs NET_ADMIN")
    .option("--envoy-port <port>", "where all inbound TCP goes")
    .option("--health-port <port>", "the sidecar's health port, the only other one that is open")
    .action(async (flags) => {
      const { values } = readConfig(schema, { flags });
      if (values.envoyPort === values.healthPort) {
        throw new CliError("InvalidOption", `Envoy and the sidecar can't both have port ${values.envoyPort}`);
      }
      const families = await applyRedirect(values);
      console.log(`inbound connections by ${families.join(" and ")} go to port ${values.envoyPort}`);
    });
}
