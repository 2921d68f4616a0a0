/** The init container that the webhook injects. Its name is how everybody knows an injected pod. */
export const SIDECAR_CONTAINER = "heauth";

/** A pod's own sidecar among its init containers; undefined where it has none: a container of that name that ends guards nothing. */
export function sidecarContainer<C extends { readonly name?: string; readonly restartPolicy?: string | undefined }>(
  initContainers: readonly C[] = [],
): C | undefined {
  return initContainers.find(({ name, restartPolicy }) => name === SIDECAR_CONTAINER && restartPolicy === "Always");
}
