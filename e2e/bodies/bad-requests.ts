import type { Login } from "../standalone/people.ts";

/** Who asks. */
export interface Callers {
  /** The tenant's administrator. */
  readonly admin: string;
  /** One who may manage nobody. */
  readonly nurse: Login;
  /** For the app only. */
  readonly forApp: string;
  /** Another tenant's administrator. */
  readonly rival: string;
}

export type BadRequest = readonly [
  name: string,
  request: (callers: Callers) => { line: string; headers?: string[]; json?: unknown },
  status: number,
  code: string,
];

const INVALID = [400, "InvalidRequest"] as const;
const NOT_FOUND = [404, "NotFound"] as const;
const bearer = (token: string) => [`Authorization: Bearer ${token}`];
const cookie = (token: string, ...more: string[]) => [`Cookie: __Host-heauth-access=${token}`, ...more];
const user = { login: "new", email: "new@acme.example", password: "vier Kühe im Regen" };
const asAdmin =
  (line: string) =>
  ({ admin }: Callers) => ({ line, headers: bearer(admin) });

const wrongMethods: BadRequest[] = [
  "/tenant",
  "/tenant/login",
  "/auth",
  "/auth/verify",
  "/auth/refresh",
  "/auth/logout",
]
  .flatMap((path) => ["GET", "PUT", "DELETE", "PATCH", "TRACE"].map((method) => `${method} ${path}`))
  .concat(["PUT /user", "PATCH /user", "DELETE /user", "POST /user/joy", "POST /healthz", "OPTIONS /auth"])
  .map((line) => [line, asAdmin(line), ...NOT_FOUND]);

const unknownPages: BadRequest[] = [
  ...["/", "/nowhere", "/auth/", "//auth", "/AUTH", "/auth/login", "/auth/verify/x", "/user/joy/roles", "/tenant/acme"],
  ...[
    "/auth/..%2ftenant",
    "/.env",
    "/metrics/",
    "/auth;x",
    "/auth%00",
    "/aut%68/%2e%2e/tenant",
    `/${"a".repeat(9000)}`,
  ],
].map((path) => [`POST ${path.slice(0, 40)}`, asAdmin(`POST ${path}`), ...NOT_FOUND]);

const requestIds: BadRequest[] = (
  [
    ["with white space", ["X-Request-Id: a b"]],
    ["that is empty", ["X-Request-Id:"]],
    ["of 129 characters", [`X-Request-Id: ${"x".repeat(129)}`]],
    ["with a tab", ["X-Request-Id: a\tb"]],
    ["in unicode", ["X-Request-Id: ü"]],
    ["that comes twice", ["X-Request-Id: a", "X-Request-Id: b"]],
  ] as const
).map(([name, headers]) => [
  `a request id ${name}`,
  ({ admin }) => ({ line: "GET /user", headers: [...bearer(admin), ...headers] }),
  400,
  "InvalidRequestId",
]);

const crossSite: BadRequest[] = ["POST /user", "DELETE /user/joy", "POST /auth/logout"].flatMap((line) =>
  [
    [],
    ["Origin: null"],
    ["Origin: https://evil.example"],
    ["Sec-Fetch-Site: cross-site"],
    ["Sec-Fetch-Site: same-site"],
    ["Sec-Fetch-Site: none"],
    ["Origin: https://evil.example", "Sec-Fetch-Site: same-origin"],
  ].map(
    (from): BadRequest => [
      `${line} with a cookie, ${from.join(" and ") || "from nowhere"}`,
      ({ admin }) => ({
        line,
        headers: cookie(admin, ...from),
        ...(line === "POST /user" && { json: user }),
      }),
      403,
      "CrossSite",
    ],
  ),
);

/** Requests that are wrong in something else than their body. */
export const badRequests: readonly BadRequest[] = [
  ...wrongMethods,
  ...unknownPages,
  ...requestIds,
  ...crossSite,
  [
    "a refresh cookie from nowhere",
    ({ nurse }) => ({ line: "POST /auth/refresh", headers: [`Cookie: __Host-heauth-refresh=${nurse.refreshToken}`] }),
    403,
    "CrossSite",
  ],

  ["an empty login in the path", asAdmin("DELETE /user/"), ...INVALID],
  ["dots in the path", asAdmin("DELETE /user/..%2f..%2fauth"), ...INVALID],
  ["a NUL byte in the path", asAdmin("DELETE /user/joy%00"), ...INVALID],
  ["a percent sign alone", asAdmin("DELETE /user/%"), ...INVALID],
  ["not UTF-8 in the path", asAdmin("DELETE /user/%ff"), ...INVALID],
  ["white space in the path", asAdmin("DELETE /user/joy%20"), ...INVALID],
  ["SQL in the path", asAdmin("DELETE /user/joy'%20OR%20'1'='1"), ...INVALID],
  ["a very long login in the path", asAdmin(`DELETE /user/${"x".repeat(255)}`), ...INVALID],
  ["a longer one", asAdmin(`DELETE /user/${"x".repeat(5000)}`), ...INVALID],
  ["a user who is not there", asAdmin("DELETE /user/nobody"), 404, "UserNotFound"],
  ["a path below a user", asAdmin("DELETE /user/joy/x"), ...NOT_FOUND],

  ["an unknown parameter", asAdmin("GET /user?limit=100000"), ...INVALID],
  ["a parameter twice", asAdmin("GET /user?q=a&q=b"), ...INVALID],
  ["a parameter as a list", asAdmin("GET /user?q[]=a"), ...INVALID],
  ["a parameter as an object", asAdmin("GET /user?q[$ne]=a"), ...INVALID],
  ["__proto__ as a parameter", asAdmin("GET /user?__proto__[admin]=1"), ...INVALID],
  ["a NUL byte in a search", asAdmin("GET /user?q=%00"), ...INVALID],
  ["an empty search", asAdmin("GET /user?q="), ...INVALID],
  ["a cursor that is none", asAdmin("GET /user?cursor=!!"), ...INVALID],
  ["a cursor with padding", asAdmin("GET /user?cursor=YQ=="), ...INVALID],
  ["a cursor with a NUL byte", asAdmin("GET /user?cursor=AA"), ...INVALID],
  ["a cursor that is not UTF-8", asAdmin("GET /user?cursor=_w"), ...INVALID],
  ["a very long cursor", asAdmin(`GET /user?cursor=${"a".repeat(600)}`), ...INVALID],

  ["no credential", () => ({ line: "GET /user" }), 401, "Unauthenticated"],
  ["Basic", () => ({ line: "GET /user", headers: ["Authorization: Basic am95OnNlY3JldA=="] }), 401, "Unauthenticated"],
  ["an empty bearer", () => ({ line: "GET /user", headers: ["Authorization: Bearer"] }), 400, "MalformedCredential"],
  [
    "two bearers",
    ({ admin }) => ({ line: "GET /user", headers: [...bearer(admin), ...bearer(admin)] }),
    400,
    "DuplicateCredential",
  ],
  [
    "header and cookie",
    ({ admin }) => ({ line: "GET /user", headers: [...bearer(admin), ...cookie(admin)] }),
    400,
    "DuplicateCredential",
  ],
  [
    "a token of more than 8 KiB",
    () => ({ line: "GET /user", headers: bearer("x".repeat(8193)) }),
    400,
    "OversizeCredential",
  ],
  ["garbage", () => ({ line: "GET /user", headers: bearer("a.b.c") }), 401, "Unauthenticated"],
  [
    "a refresh token",
    ({ nurse }) => ({ line: "GET /user", headers: bearer(nurse.refreshToken) }),
    401,
    "Unauthenticated",
  ],
  ["a token for the app", ({ forApp }) => ({ line: "GET /user", headers: bearer(forApp) }), 401, "Unauthenticated"],
  ["one who may not", ({ nurse }) => ({ line: "GET /user", headers: bearer(nurse.accessToken) }), 403, "Forbidden"],
  [
    "one who may not, making himself an admin",
    ({ nurse }) => ({ line: "POST /user", headers: bearer(nurse.accessToken), json: { ...user, roles: ["admin"] } }),
    403,
    "Forbidden",
  ],

  [
    "another tenant's admin deletes",
    ({ rival }) => ({ line: "DELETE /user/joy", headers: bearer(rival) }),
    404,
    "UserNotFound",
  ],
  [
    "another tenant's user logs in",
    () => ({ line: "POST /auth", json: { tenant: "rival", login: "joy", password: user.password } }),
    401,
    "LoginFailed",
  ],
  [
    "no tenant where there are two",
    () => ({ line: "POST /auth", json: { login: "joy", password: user.password } }),
    400,
    "TenantRequired",
  ],
  [
    "a tenant that is not there",
    () => ({ line: "POST /auth", json: { tenant: "nowhere", login: "joy", password: user.password } }),
    401,
    "LoginFailed",
  ],
  [
    "a refresh token under another tenant",
    ({ nurse, rival }) => ({
      line: "POST /auth/refresh",
      json: { refreshToken: nurse.refreshToken.replace(nurse.tenantId, tenantOf(rival)) },
    }),
    401,
    "RefreshRefused",
  ],
  [
    "a user's token logs the tenant out",
    ({ nurse }) => ({ line: "POST /tenant/logout", json: { token: nurse.accessToken } }),
    401,
    "Unauthenticated",
  ],
  [
    "a user's token as the tenant's",
    ({ nurse }) => ({ line: "POST /tenant/verify", json: { token: nurse.accessToken } }),
    400,
    "TokenRefused",
  ],
];

function tenantOf(token: string): string {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).tenant;
}
