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
  /** The same where the hub does not take this pod for one of its own. */
  readonly refusedFirst: number;
  readonly refusedMax: number;
  /** A hub on the network that does not answer a ping for this long is gone: the next call goes by another connection. */
  readonly keepAlive: number;
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
  refusedFirst: 500,
  refusedMax: 5000,
  keepAlive: 3000,
  breakerFirst: 200,
  breakerMax: 1000,
};
