/** Who logs in. */
export interface Account {
  readonly tenant: string;
  readonly login: string;
  readonly password: string;
}

/** What a login answered, and whose it is. */
export interface Login {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** The session's id. */
  readonly session: string;
  readonly user: string;
  readonly tenantId: string;
}

/** Of identity's answer to a login. The token is not checked. */
export function loginOf({ accessToken = "", refreshToken = "" }: Readonly<Record<string, string>>): Login {
  const claims = JSON.parse(Buffer.from(accessToken.split(".")[1] ?? "", "base64url").toString());
  return { accessToken, refreshToken, session: claims.sid, user: claims.sub, tenantId: claims.tenant };
}
