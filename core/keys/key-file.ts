import type * as z from "zod";
import { KeyError } from "./errors.ts";

/**
 * Reads a key file's JSON. What is wrong is told by field, without any value.
 * @throws KeyError KeyFileInvalid
 */
export function parseKeyFile<S extends z.ZodType>(text: string, schema: S): z.output<S> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The cause is left out: it quotes the text.
    throw new KeyError("KeyFileInvalid", "the key file is not JSON");
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const path = result.error.issues[0]?.path.join(".") || "the key file";
  throw new KeyError("KeyFileInvalid", `${path} is not as it must be`);
}
