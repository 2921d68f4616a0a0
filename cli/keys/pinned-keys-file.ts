import { formatPinnedKeys, parsePinnedKeys } from "@heauth/core/ledger";
import { createRotatingFiles, type Logger, type RotatingFiles } from "@heauth/program";

/** The public halves of the programs' keys, as text for whoever is to have them, read again when their file is replaced. */
export function pinnedKeysFile(file: string, log: Logger): RotatingFiles<string> {
  return createRotatingFiles({
    name: "pinned keys",
    files: [file],
    // Only what belongs there is handed on.
    parse: ([text = Buffer.of()]) => formatPinnedKeys(parsePinnedKeys(text.toString())),
    log,
  });
}
