-- Up Migration
-- When an alert was raised, by the database's clock: those who tell of new ones look for it.

SET search_path TO heauth;

-- Those that are there already are no news.
ALTER TABLE alert ADD COLUMN raised_at timestamptz NOT NULL DEFAULT 'epoch';
ALTER TABLE alert ALTER COLUMN raised_at SET DEFAULT now();
CREATE INDEX alert_raised ON alert (raised_at);

-- Down Migration

SET search_path TO heauth;
DROP INDEX alert_raised;
ALTER TABLE alert DROP COLUMN raised_at;
