/** One pod of all that have had its name. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** Who knows whether a pod's processes may still run. Only where there are pods. */
export interface PodLives {
  /** By what was last heard, so it may be old; true also where nothing is known. */
  seems(pod: PodName): boolean;
  /**
   * Asks now: there is no such pod any more, or all of it has ended.
   * @throws when there is no answer, which says nothing about the pod
   */
  isGone(pod: PodName): Promise<boolean>;
}
