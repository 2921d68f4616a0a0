export { type ApplyOptions, applyRedirect } from "./apply.ts";
export type { Family, Redirect } from "./rules.ts";
