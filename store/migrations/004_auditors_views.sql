-- Up Migration
-- The ledger for people with psql or pgAdmin: records decoded, with their private parts and the users as they are called today.
-- Decoding is for reading only. What the ledger vouches for are the bytes: see `heauth ledger verify`.

SET search_path TO heauth;

-- Big-endian, as lengths are in packed records and private parts.
CREATE FUNCTION u32be(packed bytea, at integer) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN get_byte(packed, at)::bigint * 16777216 + get_byte(packed, at + 1) * 65536 + get_byte(packed, at + 2) * 256
    + get_byte(packed, at + 3);

-- jsonb has no NUL character; JSON has.
CREATE FUNCTION json_of(bytes bytea) RETURNS jsonb LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN replace(convert_from(bytes, 'UTF8'), '\u0000', '\ufffd')::jsonb;

-- The records at these positions (ascending) of a segment. Others are passed over without being decoded.
CREATE FUNCTION unpack_records(packed bytea, positions integer[]) RETURNS TABLE (index integer, record jsonb)
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  bytes bytea := packed || ''::bytea;  -- decompressed once, not at every look
  place integer := 0;
  size  integer;
  next  integer := 1;
BEGIN
  index := 0;
  WHILE next <= cardinality(positions) AND place < length(bytes) LOOP
    size := heauth.u32be(bytes, place);
    IF index = positions[next] THEN
      record := heauth.json_of(substring(bytes FROM place + 5 FOR size));
      RETURN NEXT;
      next := next + 1;
    END IF;
    place := place + 4 + size;
    index := index + 1;
  END LOOP;
END $$;

CREATE FUNCTION unpack_privates(packed bytea) RETURNS TABLE (index integer, private jsonb)
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  bytes bytea := packed || ''::bytea;
  place integer := 0;
  size  integer;
BEGIN
  WHILE place < length(bytes) LOOP
    index := heauth.u32be(bytes, place);
    size := heauth.u32be(bytes, place + 4);
    private := heauth.json_of(substring(bytes FROM place + 25 FOR size - 16));  -- after the salt
    RETURN NEXT;
    place := place + 8 + size;
  END LOOP;
END $$;

CREATE VIEW audit_record WITH (security_invoker = true) AS
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
       p.number                              AS segment_number
  FROM segment_session p
  JOIN segment g ON (g.tenant_id, g.journal_id, g.number) = (p.tenant_id, p.journal_id, p.number)
 CROSS JOIN LATERAL unpack_records(g.records, p.positions) r
  LEFT JOIN LATERAL unpack_privates(p.privates) v ON v.index = r.index
  LEFT JOIN session s ON s.tenant_id = p.tenant_id AND s.id = p.session_id
  LEFT JOIN tenant_user u ON u.tenant_id = s.tenant_id AND u.id = s.user_id;

CREATE VIEW audit_active_block WITH (security_invoker = true) AS
SELECT b.tenant_id, b.session_id, s.kind, s.user_id, u.login AS user_login, u.email AS user_email, b.opened_at, b.last_action_at,
       b.last_action, b.actions, s.last_seen_at, s.expires_at, s.device_id, s.peer, s.user_agent
  FROM active_block b
  JOIN session s ON s.tenant_id = b.tenant_id AND s.id = b.session_id
  LEFT JOIN tenant_user u ON u.tenant_id = s.tenant_id AND u.id = s.user_id;

CREATE VIEW audit_closed_block WITH (security_invoker = true) AS
SELECT b.tenant_id, b.number, b.session_id, s.kind, s.user_id, u.login AS user_login, u.email AS user_email, b.opened_at, b.closed_at,
       b.reason, b.actions, json_of(b.header) AS header, sha256(b.header) AS hash
  FROM closed_block b
  LEFT JOIN session s ON s.tenant_id = b.tenant_id AND s.id = b.session_id
  LEFT JOIN tenant_user u ON u.tenant_id = s.tenant_id AND u.id = s.user_id;

REVOKE ALL ON FUNCTION u32be(bytea, integer), json_of(bytea), unpack_records(bytea, integer[]), unpack_privates(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION u32be(bytea, integer), json_of(bytea), unpack_records(bytea, integer[]), unpack_privates(bytea), at(bigint)
  TO heauth_auditor, heauth_identity;
GRANT SELECT ON audit_record, audit_active_block, audit_closed_block TO heauth_auditor, heauth_identity;

-- Down Migration

SET search_path TO heauth;
DROP VIEW audit_record, audit_active_block, audit_closed_block;
DROP FUNCTION unpack_records(bytea, integer[]), unpack_privates(bytea), json_of(bytea), u32be(bytea, integer);
REVOKE ALL ON FUNCTION at(bigint) FROM heauth_auditor;
