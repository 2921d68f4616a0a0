export { createTrust, type Trust, type TrustOptions } from "./trust.ts";
