import { StoreError } from "@heauth/store";

/** Told of each item whose work failed, and why. */
export type OnFailure<T> = (item: T, error: unknown) => void;

/**
 * Does the work for each item, so that what is wrong with one tenant's holds up nobody else's.
 * @throws StoreError StoreUnavailable: then nothing more can be done now
 */
export async function oneByOne<T>(
  items: Iterable<T>,
  work: (item: T) => Promise<unknown>,
  onFailure: OnFailure<T>,
): Promise<void> {
  for (const item of items) {
    try {
      await work(item);
    } catch (error) {
      if (error instanceof StoreError && error.code === "StoreUnavailable") throw error;
      onFailure(item, error);
    }
  }
}
