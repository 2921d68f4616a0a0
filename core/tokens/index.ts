export {
  type AccessTokenParsing,
  type AccessTokenVerification,
  MAX_TOKEN_BYTES,
  mintAccessToken,
  type ParsedAccessToken,
  parseAccessToken,
  unverifiedTenant,
  verifyAccessToken,
} from "./access-token.ts";
export { type CheckedClaims, type ClaimExpectations, type ClaimRefusal, checkClaims } from "./check-claims.ts";
export { type AccessTokenClaims, IDENTITY_AUDIENCE } from "./claims.ts";
export { ACCESS_COOKIE, cookieValues, REFRESH_COOKIE, setCookie, withoutCookies } from "./cookies.ts";
export { type CredentialHeaders, type CredentialReading, readCredential } from "./credential.ts";
export { isAuthentic, mintRefreshToken, type ParsedRefreshToken, parseRefreshToken } from "./refresh-token.ts";
export { newTagKey, type TagKey, tagMatches, tagOf } from "./tag.ts";
