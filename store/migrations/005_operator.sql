-- Up Migration
-- What an operator in Kubernetes needs: terms of leaders, whom policies are for, and what becomes of a tenant whose resource is deleted.

SET search_path TO heauth;

-- Whoever holds the newest term may write; a transaction of an older one fails (store/terms.ts).
CREATE TABLE term (
  name text PRIMARY KEY,
  term bigint NOT NULL
);
ALTER TABLE term ENABLE ROW LEVEL SECURITY;
ALTER TABLE term FORCE ROW LEVEL SECURITY;
CREATE POLICY every_term ON term TO heauth_operator USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON term TO heauth_operator;

-- A row that a program of an earlier version writes selects no pod until its policy is put again.
ALTER TABLE policy
  ADD COLUMN selector jsonb NOT NULL DEFAULT '{"matchExpressions": [{"key": "heauth.io/none", "operator": "In", "values": []}]}',
  ADD COLUMN created_at_ms bigint NOT NULL DEFAULT extract(epoch FROM now()) * 1000;
UPDATE policy SET created_at_ms = extract(epoch FROM updated_at) * 1000;

-- Which of the pods of that name it was: its Kubernetes uid.
ALTER TABLE policy_ack ADD COLUMN pod_uid text;
-- Acks are followed by when they came.
CREATE INDEX policy_ack_updated ON policy_ack (updated_at);

-- What tenants' resources tell of.
CREATE INDEX log_head_halted ON log_head (tenant_id) WHERE halted IS NOT NULL;
CREATE INDEX alert_delivery_failing ON alert_delivery (tenant_id, receiver)
  WHERE delivered_at IS NULL AND abandoned_at IS NULL AND attempts >= 3;

ALTER TABLE tenant
  ADD COLUMN resource_uid text,              -- of the Tenant resource that it is of; null where resources have none
  ADD COLUMN reclaim_policy text NOT NULL DEFAULT 'Retain' CHECK (reclaim_policy IN ('Retain', 'Delete'));
GRANT SELECT (resource_uid, reclaim_policy), INSERT (resource_uid, reclaim_policy), UPDATE (resource_uid, reclaim_policy)
  ON tenant TO heauth_operator;
-- Whether a tenant's data may be deleted is its resource's to say: not identity's.
REVOKE INSERT, UPDATE ON tenant FROM heauth_identity;
GRANT INSERT (id, name, managed_by, settings, email, password_hash),
  UPDATE (name, settings, email, password_hash, updated_at, deleted_at) ON tenant TO heauth_identity;

-- Nor is anything else of a tenant that has a resource: a setting may have data erased.
DROP POLICY make_tenant ON tenant;
CREATE POLICY make_tenant ON tenant FOR INSERT TO heauth_identity
  WITH CHECK (id = current_tenant() AND managed_by = 'API');
DROP POLICY own_tenant ON tenant;
CREATE POLICY own_tenant ON tenant FOR UPDATE TO heauth_identity
  USING (id = current_tenant()) WITH CHECK (id = current_tenant() AND managed_by = 'API');

-- Deletes at most so many rows of a tenant that is marked as deleted and to be reclaimed by deletion: those first that no other rows
-- refer to, the tenant itself last. Nothing else deletes what the ledger is made of. In pieces, so that each ends within a program's
-- time limit for statements; true when nothing is left (or there is no such tenant).
CREATE FUNCTION drop_tenant(tenant uuid, most integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  t       record;
  rows    bigint;
  removed bigint := 0;
BEGIN
  -- Whoever appends or seals locks these, and then, by what it inserts, the tenant: in the same order nobody waits in a circle.
  PERFORM FROM heauth.journal_head WHERE tenant_id = $1 ORDER BY journal_id FOR UPDATE;
  PERFORM FROM heauth.log_head WHERE tenant_id = $1 FOR UPDATE;
  PERFORM FROM heauth.tenant WHERE id = $1 FOR UPDATE;
  IF NOT FOUND THEN RETURN true; END IF;
  PERFORM FROM heauth.tenant WHERE id = $1 AND deleted_at IS NOT NULL AND reclaim_policy = 'Delete';
  IF NOT FOUND THEN
    RAISE insufficient_privilege USING MESSAGE = 'only a deleted tenant with the reclaim policy Delete can be dropped';
  END IF;
  FOR t IN
    WITH RECURSIVE referring (name, depth) AS (
      SELECT 'heauth.tenant'::regclass, 0
      UNION ALL
      SELECT c.conrelid::regclass, r.depth + 1
        FROM referring r JOIN pg_constraint c ON c.contype = 'f' AND c.confrelid = r.name AND c.conrelid <> c.confrelid
       WHERE c.connamespace = 'heauth'::regnamespace
    )
    SELECT name FROM referring WHERE depth > 0 GROUP BY name ORDER BY max(depth) DESC, name::text
  LOOP
    EXECUTE format('DELETE FROM %1$s WHERE ctid = ANY (ARRAY(SELECT ctid FROM %1$s WHERE tenant_id = $1 LIMIT $2))', t.name)
      USING tenant, most - removed;
    GET DIAGNOSTICS rows = ROW_COUNT;
    removed := removed + rows;
    IF removed >= most THEN RETURN false; END IF;
  END LOOP;
  DELETE FROM heauth.tenant WHERE id = $1;
  RETURN true;
END $$;
REVOKE ALL ON FUNCTION drop_tenant(uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_tenant(uuid, integer) TO heauth_operator;

-- Down Migration

SET search_path TO heauth;
DROP FUNCTION drop_tenant(uuid, integer);
DROP POLICY own_tenant ON tenant;
CREATE POLICY own_tenant ON tenant FOR UPDATE TO heauth_identity
  USING (id = current_tenant()) WITH CHECK (id = current_tenant());
DROP POLICY make_tenant ON tenant;
CREATE POLICY make_tenant ON tenant FOR INSERT TO heauth_identity WITH CHECK (id = current_tenant());
REVOKE INSERT (id, name, managed_by, settings, email, password_hash),
  UPDATE (name, settings, email, password_hash, updated_at, deleted_at) ON tenant FROM heauth_identity;
GRANT INSERT, UPDATE ON tenant TO heauth_identity;
ALTER TABLE tenant DROP COLUMN reclaim_policy, DROP COLUMN resource_uid;
DROP INDEX alert_delivery_failing, log_head_halted, policy_ack_updated;
ALTER TABLE policy_ack DROP COLUMN pod_uid;
ALTER TABLE policy DROP COLUMN created_at_ms, DROP COLUMN selector;
DROP TABLE term;
