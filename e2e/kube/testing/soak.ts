/** Whether there is time for all of it: `make soak`. */
export const SOAK = process.env["HEAUTH_SOAK"] === "1";
