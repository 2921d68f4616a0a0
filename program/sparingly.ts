import { type Clock, elapsedMs, type Instant, instant } from "./clock.ts";

/**
 * Says something the first time, and after that once in so many ms at most, however often it is to be said.
 * `say` is told how often it was left unsaid since it was said last.
 */
export function sparingly<T>(
  { clock, everyMs }: { readonly clock: Clock; readonly everyMs: number },
  say: (what: T, unsaid: number) => void,
): (what: T) => void {
  let said: Instant | undefined;
  let unsaid = 0;
  return (what) => {
    if (said !== undefined && elapsedMs(clock, said) < everyMs) {
      unsaid += 1;
      return;
    }
    said = instant(clock);
    say(what, unsaid);
    unsaid = 0;
  };
}
