/** Keeps a Tenant in being while there is data of it. */
export const FINALIZER = "heauth.io/tenant-data";

/** An annotation that names, on a Tenant, the id of the retained data that it is to take over. */
export const ADOPT = "heauth.io/adopt";
