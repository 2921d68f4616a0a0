/** A Tenant with every field that this version acts on: for tests here and in the rooms around. */
export const tenant = {
  apiVersion: "heauth.io/v1alpha1",
  kind: "Tenant",
  metadata: { name: "acme", labels: { team: "acme" } },
  spec: {
    displayName: "Acme Clinics",
    audiences: ["shop"],
    allowedNamespaces: { from: "All" },
    registration: "Closed",
    sessions: { idleTimeout: "30m", absoluteTimeout: "12h", maxPerUser: 10, whenFull: "EvictOldest" },
    tokens: { accessLifetime: "10m", refreshLifetime: "12h", rotationGrace: "10s" },
    passwords: { minLength: 15, hash: "Argon2id" },
    lockout: { failures: 10, window: "15m", delay: "Exponential" },
    identityProviders: [],
    alerts: {
      receivers: [
        {
          name: "secops",
          webhook: { url: "https://alerts.example/heauth", signingSecretRef: { name: "secops", key: "secret" } },
        },
      ],
      dedupWindow: "5m",
    },
    audit: {},
    limits: {
      maxStaleness: "60s",
      durability: ["Local", "Database"],
      modes: ["Enforce", "Shadow"],
      forwardCredentials: false,
    },
    reclaimPolicy: "Retain",
    paused: false,
  },
};

/** An AuthPolicy with every field that this version acts on. */
export const authPolicy = {
  apiVersion: "heauth.io/v1alpha1",
  kind: "AuthPolicy",
  metadata: { name: "web", namespace: "shop" },
  spec: {
    tenantRef: { name: "acme" },
    selector: { matchLabels: { app: "web" } },
    ports: [{ port: 8080, protocol: "HTTP" }],
    passthroughPorts: [],
    mode: "Enforce",
    authentication: {
      credentials: ["AuthorizationHeader", "Cookie"],
      audiences: ["shop"],
      revalidateAfter: "1s",
      maxStaleness: "30s",
      clockSkew: "30s",
    },
    rules: [
      { name: "health", match: [{ path: { type: "Exact", value: "/healthz" }, methods: ["GET"] }], access: "Public" },
      {
        name: "read-patient",
        match: [{ path: { type: "PathPrefix", value: "/patients" }, methods: ["GET", "HEAD"] }],
        access: "Authenticated",
        action: "patient.read",
      },
      {
        name: "write-patient",
        match: [{ path: { type: "PathPrefix", value: "/patients" } }],
        access: "Roles",
        roles: ["doctor", "admin"],
        action: "patient.write",
        when: "request.method != 'DELETE' || 'admin' in session.roles",
        durability: "Database",
        upgrades: [],
        maxRequestDuration: "1h",
      },
    ],
    defaultAction: "Deny",
    upstream: {
      headers: { "x-heauth-subject": "session.subject", "x-heauth-roles": "session.roles" },
      forwardCredentials: false,
      trustedHops: 0,
    },
    responses: { unauthenticated: { redirectTo: "/auth/login" }, unavailable: { retryAfter: "2s" } },
    audit: { durability: "Local", publicRequests: "Skip" },
    paused: false,
  },
};
