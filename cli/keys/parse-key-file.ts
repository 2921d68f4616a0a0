import { asError } from "@heauth/program";
import { CliError } from "../errors.ts";

/**
 * What a file of keys says.
 * @param place says where it is, for the message
 * @throws CliError KeyFile, naming the place
 */
export function parseKeyFile<T>(place: string, text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    throw new CliError("KeyFile", `${place}: ${asError(error).message}`);
  }
}
