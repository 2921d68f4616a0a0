/**
 * - `SocketInUse`: another hub listens there.
 * - `SocketUnusable`: the socket's folder can't be kept to its owner.
 */
export type HubErrorCode = "SocketInUse" | "SocketUnusable";

/** What keeps a hub from starting. */
export class HubError extends Error {
  readonly code: HubErrorCode;

  constructor(code: HubErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "HubError";
    this.code = code;
  }
}
