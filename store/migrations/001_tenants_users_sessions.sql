-- Up Migration

-- One role per program, each with the least it needs. Programs log in as a member and `SET ROLE`.
DO $$
DECLARE r text;
BEGIN
  FOREACH r IN ARRAY ARRAY['heauth_identity', 'heauth_hub', 'heauth_operator', 'heauth_auditor'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN NOBYPASSRLS', r);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- roles are the server's: another database made it
    END;
    EXECUTE format('GRANT %I TO CURRENT_USER', r);
  END LOOP;
END $$;

CREATE SCHEMA heauth;
GRANT USAGE ON SCHEMA heauth TO heauth_identity, heauth_hub, heauth_operator, heauth_auditor;
SET search_path TO heauth;

-- The tenant that the transaction works for; row level security compares with it. Absent = no rows.
CREATE FUNCTION current_tenant() RETURNS uuid LANGUAGE sql STABLE
  RETURN nullif(current_setting('heauth.tenant', true), '')::uuid;

-- Programs count time in µs since the Unix epoch.
CREATE FUNCTION at(micros bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN timestamptz 'epoch' + micros * interval '1 microsecond';

-- Written uses of a session lag behind its real ones by at most that: a minute, or a tenth of a shorter idle timeout.
CREATE FUNCTION use_lag(settings jsonb) RETURNS interval LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN least(interval '1 minute', (settings -> 'sessions' ->> 'idleTimeoutMs')::bigint * interval '0.1 ms');

-- For how long a session has been idle for sure.
CREATE FUNCTION idle_time(last_seen_at timestamptz, settings jsonb) RETURNS interval LANGUAGE sql STABLE STRICT PARALLEL SAFE
  RETURN greatest(statement_timestamp() - last_seen_at - heauth.use_lag(settings), interval '0');

CREATE TABLE tenant (
  id            uuid PRIMARY KEY,
  name          text NOT NULL UNIQUE,
  managed_by    text NOT NULL CHECK (managed_by IN ('Resource', 'API')),
  settings      jsonb NOT NULL,              -- the compiled spec: see core/resources
  email         text,                        -- of a tenant that manages itself by the API
  password_hash text,
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now(),
  deleted_at    timestamptz,
  CHECK ((managed_by = 'API') = (email IS NOT NULL AND password_hash IS NOT NULL))
);
CREATE UNIQUE INDEX tenant_email ON tenant (lower(email));

-- Checks token tags only: a sidecar has it, and can mint nothing with it.
CREATE TABLE tag_key (
  tenant_id  uuid NOT NULL REFERENCES tenant,
  id         text NOT NULL,
  key        bytea NOT NULL CHECK (length(key) = 32),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);

CREATE TABLE tenant_user (
  tenant_id     uuid NOT NULL REFERENCES tenant,
  id            uuid NOT NULL,
  login         text NOT NULL,
  email         text NOT NULL,
  subject       text NOT NULL,               -- what apps see as the user; the user id unless it was given
  scope         text,
  password_hash text NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX tenant_user_login ON tenant_user (tenant_id, lower(login));
CREATE UNIQUE INDEX tenant_user_email ON tenant_user (tenant_id, lower(email));

CREATE TABLE role (
  tenant_id  uuid NOT NULL REFERENCES tenant,
  name       text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, name)
);

CREATE TABLE user_role (
  tenant_id uuid NOT NULL,
  user_id   uuid NOT NULL,
  role      text NOT NULL,
  PRIMARY KEY (tenant_id, user_id, role),
  FOREIGN KEY (tenant_id, user_id) REFERENCES tenant_user ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, role) REFERENCES role
);

-- Failed logins per account and per address. Rows are counters, not an audit: that is the ledger.
CREATE TABLE login_failure (
  tenant_id    uuid NOT NULL REFERENCES tenant,
  subject      text NOT NULL,                -- 'account:<hash>' or 'address:<hash>'
  failures     integer NOT NULL,
  window_start timestamptz NOT NULL,
  retry_at     timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, subject)
);

-- A session outlives its user's row, so that a late tab and a forgery can still be told apart.
CREATE TABLE session (
  tenant_id           uuid NOT NULL REFERENCES tenant,
  id                  uuid NOT NULL,
  kind                text NOT NULL CHECK (kind IN ('User', 'Tenant')),
  user_id             uuid NOT NULL,         -- the tenant id for a tenant's own session
  statement           bytea NOT NULL,        -- signed by identity; holds the session's public key
  statement_signature bytea NOT NULL,
  audiences           text[] NOT NULL,
  device_id           text,
  peer                text,
  user_agent          text,
  opened_at           timestamptz NOT NULL,
  last_seen_at        timestamptz NOT NULL,
  expires_at          timestamptz NOT NULL,  -- absolute
  refresh_number      bigint NOT NULL DEFAULT 0,
  refresh_rotated_at  timestamptz NOT NULL,
  refresh_expires_at  timestamptz NOT NULL,
  generation          bigint NOT NULL DEFAULT 1,
  closed_at           timestamptz,
  close_reason        text,
  close_seq           bigint,                -- the outbox event that told of it
  PRIMARY KEY (tenant_id, id),
  CHECK ((closed_at IS NULL) = (close_reason IS NULL) AND (closed_at IS NULL) = (close_seq IS NULL))
);
CREATE INDEX session_open_by_user ON session (tenant_id, user_id, opened_at) WHERE closed_at IS NULL;
CREATE INDEX session_open_by_expiry ON session (tenant_id, expires_at) WHERE closed_at IS NULL;
CREATE INDEX session_open_by_use ON session (tenant_id, last_seen_at) WHERE closed_at IS NULL;

-- Deleting the row revokes the session: nothing can sign for it any more.
CREATE TABLE session_key (
  tenant_id     uuid NOT NULL,
  session_id    uuid NOT NULL,
  key           bytea NOT NULL CHECK (length(key) = 32),
  server_secret text NOT NULL,               -- id of the server secret it is derived with
  PRIMARY KEY (tenant_id, session_id),
  FOREIGN KEY (tenant_id, session_id) REFERENCES session
);

-- Events in commit order: the head's row lock makes numbers dense and their order the order of commits.
CREATE TABLE outbox_head (
  tenant_id uuid PRIMARY KEY REFERENCES tenant,
  seq       bigint NOT NULL
);

CREATE TABLE outbox (
  tenant_id  uuid NOT NULL REFERENCES tenant,
  seq        bigint NOT NULL,
  kind       text NOT NULL CHECK (kind IN ('session.closed', 'session.changed', 'policy.changed', 'tenant.changed')),
  session_id uuid,
  generation bigint,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, seq)
);

CREATE TABLE policy (
  tenant_id  uuid NOT NULL REFERENCES tenant,
  namespace  text NOT NULL,
  name       text NOT NULL,
  digest     text NOT NULL,
  compiled   bytea NOT NULL,                 -- canonical JSON; the digest is of these bytes
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, namespace, name),
  UNIQUE (namespace, name)
);

-- What each pod's sidecar said of the policy it was last given.
CREATE TABLE policy_ack (
  tenant_id        uuid NOT NULL REFERENCES tenant,
  namespace        text NOT NULL,
  name             text NOT NULL,
  pod              text NOT NULL,
  digest           text NOT NULL,
  enforced         boolean NOT NULL,
  missing_features text[] NOT NULL,
  message          text NOT NULL,
  updated_at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, namespace, name, pod)
);

-- Down Migration

DROP SCHEMA heauth CASCADE;
