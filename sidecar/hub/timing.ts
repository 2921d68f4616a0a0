/** How long the connection to the hub waits for what, in ms. */
export interface HubTiming {
  /** Between two probes. */
  readonly probeEvery: number;
  /** A stream on which no probe is answered for this long is given up. */
  readonly silentAfter: number;
  readonly lookUpDeadline: number;
  readonly registerDeadline: number;
  readonly appendDeadline: number;
  /** Between two attempts to open the stream, at first and at most. */
  readonly reconnectFirst: number;
  readonly reconnectMax: number;
  /** How long look-ups are not even tried after they failed, at first and at most. */
  readonly breakerFirst: number;
  readonly breakerMax: number;
}

export const defaultTiming: HubTiming = {
  probeEvery: 250,
  silentAfter: 2000,
  lookUpDeadline: 1000,
  registerDeadline: 5000,
  appendDeadline: 10_000,
  reconnectFirst: 100,
  reconnectMax: 1000,
  breakerFirst: 200,
  breakerMax: 1000,
};
