-- Up Migration
-- A journal belongs to one pod, not to whoever has the pod's name later; a later one may take it over only to finish it.

SET search_path TO heauth;

ALTER TABLE journal_head ADD COLUMN pod_uid text; -- null where pods have none

-- Down Migration

SET search_path TO heauth;
ALTER TABLE journal_head DROP COLUMN pod_uid;
