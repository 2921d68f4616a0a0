-- Up Migration
-- Recovery: a log goes on after its anchor contradicted it (docs/decisions/003-recovery.md). Retention: private parts are erased when
-- they are as old as their tenant says.

SET search_path TO heauth;

-- Logins that may ask for a recovery: each is a member of heauth_recovery.
DO $$
BEGIN
  BEGIN
    CREATE ROLE heauth_recovery NOLOGIN NOBYPASSRLS;
  EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- roles are the server's: another database made it
  END;
  GRANT heauth_recovery TO CURRENT_USER;
END $$;

-- An epoch goes on where the one before it ended: an index belongs to one of them.
ALTER TABLE log_entry
  DROP CONSTRAINT log_entry_pkey,
  ADD PRIMARY KEY (tenant_id, index),
  DROP CONSTRAINT log_entry_kind_check,
  ADD CONSTRAINT log_entry_kind_check CHECK (kind IN ('registration', 'segment', 'block', 'key', 'recovery'));

-- Signed by whoever decided that a log goes on. Takes effect when the sealer puts it into the log; one that does not fit never does.
CREATE TABLE recovery (
  tenant_id  uuid NOT NULL REFERENCES tenant,
  number     bigint NOT NULL,
  body       bytea NOT NULL,
  signature  bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, number)
);

-- How far a tenant's segments have lost their private parts, in the order in which they came in.
CREATE TABLE retention_mark (
  tenant_id  uuid PRIMARY KEY REFERENCES tenant,
  created_at timestamptz NOT NULL,
  journal_id uuid NOT NULL,
  number     bigint NOT NULL
);

-- Sessions that were open when their old segments' turn came: their private parts go when they are closed and old.
CREATE TABLE retention_spared (
  tenant_id  uuid NOT NULL REFERENCES tenant,
  session_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, session_id)
);

CREATE INDEX segment_created ON segment (tenant_id, created_at, journal_id, number);
CREATE INDEX session_closed_with_device ON session (tenant_id, closed_at)
  WHERE closed_at IS NOT NULL AND (peer IS NOT NULL OR user_agent IS NOT NULL OR device_id IS NOT NULL);

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['recovery', 'retention_mark', 'retention_spared'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY every_tenant ON %I TO heauth_operator USING (true) WITH CHECK (true)', t);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['tenant', 'log_head', 'log_entry', 'checkpoint'] LOOP
    EXECUTE format('CREATE POLICY recovered_tenant ON %I FOR SELECT TO heauth_recovery USING (true)', t);
  END LOOP;
END $$;
CREATE POLICY recovered_tenant ON recovery TO heauth_recovery USING (true) WITH CHECK (true);
CREATE POLICY audited_tenant ON recovery FOR SELECT TO heauth_auditor USING (tenant_id = audited_tenant());

GRANT USAGE ON SCHEMA heauth TO heauth_recovery;
GRANT SELECT (id, name) ON tenant TO heauth_recovery;
GRANT SELECT ON log_head, log_entry, checkpoint TO heauth_recovery;
GRANT SELECT, INSERT ON recovery TO heauth_recovery;
GRANT EXECUTE ON FUNCTION at(bigint) TO heauth_recovery;
GRANT SELECT ON recovery TO heauth_operator, heauth_auditor;
GRANT SELECT, INSERT, UPDATE ON retention_mark TO heauth_operator;
GRANT SELECT, INSERT, DELETE ON retention_spared TO heauth_operator;

-- Before this, a tenant's private parts may be erased; null where they are kept for ever.
CREATE FUNCTION retention_limit(tenant uuid) RETURNS timestamptz LANGUAGE sql STABLE STRICT SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp
  RETURN (SELECT now() - (t.settings -> 'audit' ->> 'retentionDays')::integer * interval '1 day' FROM heauth.tenant t
           WHERE t.id = $1);

-- Erases the private parts in these segments, but of sessions that are open or spared. The one way in which anything of the ledger is
-- ever changed: it sets private parts to null, of sealed segments that are as old as the tenant says. How many rows lost theirs.
CREATE FUNCTION drop_private_parts(tenant uuid, journals uuid[], numbers bigint[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE dropped bigint;
BEGIN
  UPDATE heauth.segment_session part SET privates = NULL
    FROM unnest(journals, numbers) AS name (journal_id, number)
    JOIN heauth.segment s ON s.tenant_id = $1 AND s.journal_id = name.journal_id AND s.number = name.number
    JOIN heauth.log_entry e ON e.tenant_id = $1 AND e.kind = 'segment' AND e.journal_id = s.journal_id AND e.number = s.number
   WHERE s.created_at < heauth.retention_limit($1) AND part.tenant_id = $1 AND part.journal_id = s.journal_id
     AND part.number = s.number AND part.privates IS NOT NULL
     AND NOT EXISTS (SELECT FROM heauth.active_block b WHERE b.tenant_id = $1 AND b.session_id = part.session_id)
     AND NOT EXISTS (SELECT FROM heauth.retention_spared k WHERE k.tenant_id = $1 AND k.session_id = part.session_id);
  GET DIAGNOSTICS dropped = ROW_COUNT;
  RETURN dropped;
END $$;

-- As drop_private_parts, of whole sessions: those that were closed that long ago.
CREATE FUNCTION drop_private_parts_of(tenant uuid, sessions uuid[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE dropped bigint;
BEGIN
  UPDATE heauth.segment_session part SET privates = NULL
    FROM heauth.session c
    JOIN heauth.closed_block b ON b.tenant_id = $1 AND b.session_id = c.id,
         heauth.segment s
    JOIN heauth.log_entry e ON e.tenant_id = $1 AND e.kind = 'segment' AND e.journal_id = s.journal_id AND e.number = s.number
   WHERE c.tenant_id = $1 AND c.id = ANY (sessions) AND c.closed_at < heauth.retention_limit($1)
     AND part.tenant_id = $1 AND part.session_id = c.id AND part.privates IS NOT NULL
     AND s.tenant_id = $1 AND s.journal_id = part.journal_id AND s.number = part.number
     AND s.created_at < heauth.retention_limit($1);
  GET DIAGNOSTICS dropped = ROW_COUNT;
  RETURN dropped;
END $$;

-- Forgets from where and with what closed sessions were used, at most so many of those that were closed that long ago.
CREATE FUNCTION forget_devices(tenant uuid, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE forgotten bigint;
BEGIN
  UPDATE heauth.session s SET peer = NULL, user_agent = NULL, device_id = NULL
   WHERE s.tenant_id = $1 AND s.id = ANY (ARRAY(
     SELECT id FROM heauth.session c
      WHERE c.tenant_id = $1 AND c.closed_at < heauth.retention_limit($1) AND c.closed_at IS NOT NULL
        AND (c.peer IS NOT NULL OR c.user_agent IS NOT NULL OR c.device_id IS NOT NULL)
      ORDER BY c.closed_at LIMIT most));
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  RETURN forgotten;
END $$;

REVOKE ALL ON FUNCTION retention_limit(uuid), drop_private_parts(uuid, uuid[], bigint[]), drop_private_parts_of(uuid, uuid[]),
  forget_devices(uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION retention_limit(uuid), drop_private_parts(uuid, uuid[], bigint[]), drop_private_parts_of(uuid, uuid[]),
  forget_devices(uuid, integer) TO heauth_operator;

-- Auditors see plainly what is not there any more, and when a log went on without what its anchor knew.
CREATE OR REPLACE VIEW audit_record WITH (security_invoker = true) AS
SELECT p.tenant_id,
       r.record ->> 'id'                     AS id,
       at((r.record -> 'at')::bigint)        AS at,
       r.record ->> 'type'                   AS type,
       p.session_id,                                       -- the nil UUID where the record has none
       s.user_id,
       u.login                               AS user_login,   -- as it is called now; as it was then: private
       u.email                               AS user_email,
       r.record ->> 'decision'               AS decision,
       r.record ->> 'reason'                 AS reason,
       r.record ->> 'rule'                   AS rule,
       r.record ->> 'action'                 AS action,
       v.private ->> 'method'                AS method,
       v.private ->> 'path'                  AS path,
       v.private ->> 'peer'                  AS peer,
       r.record ->> 'pod'                    AS pod,
       r.record ->> 'source'                 AS source,
       r.record ->> 'request'                AS request_id,
       coalesce((r.record -> 'stale')::boolean, false)  AS stale,
       coalesce((r.record -> 'shadow')::boolean, false) AS shadow,
       r.record,
       v.private,
       p.journal_id,
       p.number                              AS segment_number,
       CASE WHEN v.private IS NOT NULL THEN 'Present'
            WHEN r.record ? 'private' THEN 'Erased'
            ELSE 'None' END                  AS private_part
  FROM segment_session p
  JOIN segment g ON (g.tenant_id, g.journal_id, g.number) = (p.tenant_id, p.journal_id, p.number)
 CROSS JOIN LATERAL unpack_records(g.records, p.positions) r
  LEFT JOIN LATERAL unpack_privates(p.privates) v ON v.index = r.index
  LEFT JOIN session s ON s.tenant_id = p.tenant_id AND s.id = p.session_id
  LEFT JOIN tenant_user u ON u.tenant_id = s.tenant_id AND u.id = s.user_id;

-- Those that are in the log; `log_index` is how many entries were kept.
CREATE VIEW audit_recovery WITH (security_invoker = true) AS
SELECT r.tenant_id, d.recovery ->> 'reason' AS reason, d.recovery ->> 'finding' AS finding, d.recovery ->> 'signer' AS signer,
       at((d.recovery -> 'at')::bigint) AS at, (d.recovery -> 'epoch')::integer AS epoch, e.index AS log_index,
       (d.recovery -> 'anchor' -> 'size')::bigint AS anchor_size,
       nullif(greatest((d.recovery -> 'anchor' -> 'size')::bigint - e.index, 0), 0) AS entries_lost,  -- null: can't be told
       d.recovery
  FROM recovery r
  JOIN log_entry e ON e.tenant_id = r.tenant_id AND e.kind = 'recovery' AND e.journal_id IS NULL AND e.number = r.number
 CROSS JOIN LATERAL (SELECT json_of(r.body) AS recovery) d;
GRANT SELECT ON audit_recovery TO heauth_auditor;

-- Down Migration

SET search_path TO heauth;
DROP VIEW audit_recovery;
DROP VIEW audit_record;
CREATE VIEW audit_record WITH (security_invoker = true) AS
SELECT p.tenant_id,
       r.record ->> 'id'                     AS id,
       at((r.record -> 'at')::bigint)        AS at,
       r.record ->> 'type'                   AS type,
       p.session_id,
       s.user_id,
       u.login                               AS user_login,
       u.email                               AS user_email,
       r.record ->> 'decision'               AS decision,
       r.record ->> 'reason'                 AS reason,
       r.record ->> 'rule'                   AS rule,
       r.record ->> 'action'                 AS action,
       v.private ->> 'method'                AS method,
       v.private ->> 'path'                  AS path,
       v.private ->> 'peer'                  AS peer,
       r.record ->> 'pod'                    AS pod,
       r.record ->> 'source'                 AS source,
       r.record ->> 'request'                AS request_id,
       coalesce((r.record -> 'stale')::boolean, false)  AS stale,
       coalesce((r.record -> 'shadow')::boolean, false) AS shadow,
       r.record,
       v.private,
       p.journal_id,
       p.number                              AS segment_number
  FROM segment_session p
  JOIN segment g ON (g.tenant_id, g.journal_id, g.number) = (p.tenant_id, p.journal_id, p.number)
 CROSS JOIN LATERAL unpack_records(g.records, p.positions) r
  LEFT JOIN LATERAL unpack_privates(p.privates) v ON v.index = r.index
  LEFT JOIN session s ON s.tenant_id = p.tenant_id AND s.id = p.session_id
  LEFT JOIN tenant_user u ON u.tenant_id = s.tenant_id AND u.id = s.user_id;
GRANT SELECT ON audit_record TO heauth_auditor, heauth_identity;
DROP FUNCTION forget_devices(uuid, integer), drop_private_parts_of(uuid, uuid[]), drop_private_parts(uuid, uuid[], bigint[]),
  retention_limit(uuid);
DROP INDEX session_closed_with_device, segment_created;
DROP TABLE retention_spared, retention_mark, recovery;
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['tenant', 'log_head', 'log_entry', 'checkpoint'] LOOP
    EXECUTE format('DROP POLICY recovered_tenant ON %I', t);
  END LOOP;
END $$;
REVOKE ALL ON tenant, log_head, log_entry, checkpoint FROM heauth_recovery;
REVOKE SELECT (id, name) ON tenant FROM heauth_recovery;
REVOKE ALL ON FUNCTION at(bigint) FROM heauth_recovery;
REVOKE ALL ON SCHEMA heauth FROM heauth_recovery;
ALTER TABLE log_entry
  DROP CONSTRAINT log_entry_kind_check,
  ADD CONSTRAINT log_entry_kind_check CHECK (kind IN ('registration', 'segment', 'block', 'key')),
  DROP CONSTRAINT log_entry_pkey,
  ADD PRIMARY KEY (tenant_id, epoch, index);
