import { freshFile } from "./access.ts";

/** A kubeconfig's `x` (a PEM file, read each time) or `x-data` (base64, decoded once). */
export function material(file: string | undefined, data: string | null | undefined): () => Promise<Buffer | undefined> {
  if (file !== undefined) return () => freshFile(file);
  const decoded = data ? Buffer.from(data, "base64") : undefined;
  return async () => decoded;
}
