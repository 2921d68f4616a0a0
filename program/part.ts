/** A long-lived piece of a program. */
export interface Part {
  readonly name: string;
  /** Resolves when it does its work; rejects when it can't. Called once. */
  start(): Promise<void>;
  /** Ends it and all it started; `deadline` aborts when there is no more time to be polite. */
  stop(deadline: AbortSignal): Promise<void>;
}
