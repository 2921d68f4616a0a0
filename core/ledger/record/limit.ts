/** A record has at most 16 KiB, and so has its private part. */
export const MAX_RECORD_BYTES = 16 * 1024;
