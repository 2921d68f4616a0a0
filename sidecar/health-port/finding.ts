/** Why a check failed, in a few words without anything of the answer's; nothing when all is well. */
export type Finding = string | undefined;

/** Where the app is asked. */
export interface Place {
  readonly address: string;
  /** The sidecar's own port there, which is not the app's. */
  readonly healthPort: number;
}
