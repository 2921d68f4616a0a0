/**
 * A shell that becomes the command and leaves a watcher behind. The watcher waits on descriptor 3, a pipe whose other end only the
 * parent holds: it closes when the parent ends, however it ends. Then the watcher stops the command, politely first.
 *
 * The command keeps the shell's pid. The watcher stays in the command's process group, so that pid cannot be given to
 * another process while the watcher may still signal it; it ignores the polite signals that it sends.
 */
const SCRIPT = `
signal=$1; tenths=$2; shift 2
( (
  trap '' HUP INT TERM
  exec >/dev/null 2>&1 </dev/null
  read -r _ <&3
  kill -s "$signal" $$
  while [ "$tenths" -gt 0 ] && kill -0 $$; do sleep 0.1; tenths=$((tenths - 1)); done
  kill -s KILL -- -$$
) & )
exec "$@" 3<&-
`;

/** The command line that runs `command` so that it does not outlive us. The child's descriptor 3 must be a pipe of ours. */
export function guarded(command: string, args: string[], stop: { signal: NodeJS.Signals; withinMs: number }) {
  const tenths = String(Math.ceil(stop.withinMs / 100));
  return {
    command: "/bin/sh",
    args: ["-c", SCRIPT, "heauth-guard", stop.signal.slice("SIG".length), tenths, command, ...args],
  };
}
