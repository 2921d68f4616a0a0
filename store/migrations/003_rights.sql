-- Up Migration
-- Who may do what. Identity works for one tenant at a time; hub and operator for all of them; an auditor reads his own tenant's.

SET search_path TO heauth;

-- Logins of auditors: each is a member of heauth_auditor and reads one tenant.
CREATE TABLE auditor (
  login     name PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenant
);

CREATE FUNCTION audited_tenant() RETURNS uuid LANGUAGE sql STABLE
  RETURN (SELECT a.tenant_id FROM heauth.auditor a WHERE a.login = current_user);

-- Row level security on every table, so that one made later without a policy shows nothing to anybody.
DO $$
DECLARE t record;
BEGIN
  FOR t IN
    SELECT c.oid::regclass AS name,
           EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id') AS of_tenant
      FROM pg_class c WHERE c.relnamespace = 'heauth'::regnamespace AND c.relkind = 'r'
  LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t.name);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', t.name);
    EXECUTE format('CREATE POLICY every_tenant ON %s TO heauth_hub, heauth_operator USING (true) WITH CHECK (true)', t.name);
    IF t.of_tenant AND t.name <> 'auditor'::regclass THEN
      EXECUTE format('CREATE POLICY own_tenant ON %s TO heauth_identity
        USING (tenant_id = heauth.current_tenant()) WITH CHECK (tenant_id = heauth.current_tenant())', t.name);
      EXECUTE format('CREATE POLICY audited_tenant ON %s FOR SELECT TO heauth_auditor
        USING (tenant_id = heauth.audited_tenant())', t.name);
    END IF;
  END LOOP;
END $$;

-- A login begins with the tenant's name or e-mail.
CREATE POLICY find_tenant ON tenant FOR SELECT TO heauth_identity USING (true);
CREATE POLICY make_tenant ON tenant FOR INSERT TO heauth_identity WITH CHECK (id = current_tenant());
CREATE POLICY own_tenant ON tenant FOR UPDATE TO heauth_identity
  USING (id = current_tenant()) WITH CHECK (id = current_tenant());
CREATE POLICY audited_tenant ON tenant FOR SELECT TO heauth_auditor USING (id = audited_tenant());
CREATE POLICY own_login ON auditor FOR SELECT TO heauth_auditor USING (login = current_user);

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA heauth FROM PUBLIC;
GRANT EXECUTE ON FUNCTION current_tenant(), at(bigint), use_lag(jsonb), idle_time(timestamptz, jsonb)
  TO heauth_identity, heauth_hub, heauth_operator;
GRANT EXECUTE ON FUNCTION audited_tenant() TO heauth_auditor;

-- The ledger: whoever writes records. Nobody gets UPDATE or DELETE on what it is made of.
GRANT SELECT, INSERT ON journal, segment, segment_session TO heauth_identity, heauth_hub, heauth_operator;
GRANT SELECT, INSERT, UPDATE ON journal_head, active_block, alert, alert_window, alert_run
  TO heauth_identity, heauth_hub, heauth_operator;
GRANT SELECT, INSERT ON late_record, alert_delivery, closed_block TO heauth_identity, heauth_hub, heauth_operator;
REVOKE INSERT ON closed_block FROM heauth_identity, heauth_hub;
GRANT INSERT ON seal_queue TO heauth_identity, heauth_hub;
GRANT SELECT, INSERT, DELETE ON seal_queue TO heauth_operator;
GRANT SELECT, INSERT ON key_change, log_entry, checkpoint TO heauth_operator;
GRANT SELECT, INSERT, UPDATE ON log_head TO heauth_operator;
GRANT DELETE ON active_block, late_record, alert_window, alert_run TO heauth_operator;
GRANT UPDATE ON alert_delivery TO heauth_operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON alert_budget TO heauth_operator;

-- Identity: users and sessions with their secrets.
GRANT SELECT, INSERT, UPDATE ON tenant, session, outbox_head TO heauth_identity;
GRANT SELECT, INSERT, DELETE ON tag_key, session_key TO heauth_identity;
GRANT SELECT, INSERT ON outbox TO heauth_identity;
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_user, role, user_role, login_failure TO heauth_identity;

-- Hub: what sidecars need to know, and no secret.
GRANT SELECT (id, name, settings, deleted_at) ON tenant TO heauth_hub;
GRANT SELECT (tenant_id, id, login, email, subject) ON tenant_user TO heauth_hub;
GRANT SELECT (tenant_id, id, kind, user_id, statement, statement_signature, opened_at, last_seen_at, expires_at, generation,
  closed_at, close_reason, close_seq) ON session TO heauth_hub;
GRANT UPDATE (last_seen_at) ON session TO heauth_hub;
GRANT SELECT ON tag_key, policy, user_role, outbox_head, outbox TO heauth_hub;
GRANT SELECT, INSERT, UPDATE, DELETE ON policy_ack TO heauth_hub;

-- Operator: tenants, policies, and the ends of sessions; it can delete a session's key and not read it.
GRANT SELECT (id, name, managed_by, settings, email, created_at, updated_at, deleted_at),
  INSERT (id, name, managed_by, settings), UPDATE (settings, updated_at, deleted_at) ON tenant TO heauth_operator;
GRANT SELECT (tenant_id, id, login, email, subject) ON tenant_user TO heauth_operator;
GRANT SELECT, UPDATE (last_seen_at, generation, closed_at, close_reason, close_seq) ON session TO heauth_operator;
GRANT SELECT (tenant_id, session_id), DELETE ON session_key TO heauth_operator;
GRANT SELECT, INSERT, UPDATE ON outbox_head TO heauth_operator;
GRANT SELECT, INSERT ON outbox TO heauth_operator;
GRANT SELECT, INSERT, DELETE ON tag_key TO heauth_operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON policy TO heauth_operator;
GRANT SELECT, DELETE ON policy_ack TO heauth_operator;
GRANT SELECT (tenant_id, subject, window_start, retry_at), DELETE ON login_failure TO heauth_operator;

-- Auditors: the ledger, and the names that belong to it.
GRANT SELECT ON auditor, journal, segment, segment_session, active_block, closed_block, checkpoint, log_entry, log_head, key_change,
  seal_queue, late_record, alert TO heauth_auditor;
GRANT SELECT (id, name) ON tenant TO heauth_auditor;
GRANT SELECT (tenant_id, id, login, email, subject) ON tenant_user TO heauth_auditor;
GRANT SELECT (tenant_id, id, kind, user_id, statement, statement_signature, device_id, peer, user_agent, opened_at, last_seen_at,
  expires_at, closed_at, close_reason) ON session TO heauth_auditor;

-- Down Migration

SET search_path TO heauth;
DO $$
DECLARE p record;
BEGIN
  FOR p IN SELECT policyname, tablename FROM pg_policies WHERE schemaname = 'heauth' LOOP
    EXECUTE format('DROP POLICY %I ON heauth.%I', p.policyname, p.tablename);
  END LOOP;
  FOR p IN SELECT tablename FROM pg_tables WHERE schemaname = 'heauth' LOOP
    EXECUTE format('ALTER TABLE heauth.%I NO FORCE ROW LEVEL SECURITY', p.tablename);
    EXECUTE format('ALTER TABLE heauth.%I DISABLE ROW LEVEL SECURITY', p.tablename);
  END LOOP;
END $$;
DROP FUNCTION audited_tenant();
DROP TABLE auditor;
REVOKE ALL ON ALL TABLES IN SCHEMA heauth FROM heauth_identity, heauth_hub, heauth_operator, heauth_auditor;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA heauth FROM heauth_identity, heauth_hub, heauth_operator, heauth_auditor;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA heauth TO PUBLIC;
