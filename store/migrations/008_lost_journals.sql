-- Up Migration
-- A journal whose pod is gone for good, and that nobody has closed: the ledger says so once, and nothing waits for it any more.

SET search_path TO heauth;

ALTER TABLE journal_head ADD COLUMN lost_at timestamptz; -- when it was found lost; what comes all the same is taken in

-- Down Migration

SET search_path TO heauth;
ALTER TABLE journal_head DROP COLUMN lost_at;
