/** The line by which a node tells those outside that it is ready. */
export const READY = "the node is ready";
