-- Up Migration
-- Rows of journal, segment, segment_session, key_change, closed_block, log_entry and checkpoint are only ever inserted.

SET search_path TO heauth;

CREATE TABLE journal (
  tenant_id        uuid NOT NULL REFERENCES tenant,
  id               uuid NOT NULL,
  registration     bytea NOT NULL,
  possession       bytea NOT NULL,
  countersignature bytea NOT NULL,
  program          text NOT NULL CHECK (program IN ('sidecar', 'identity', 'operator', 'cli')),
  pod              text,
  PRIMARY KEY (tenant_id, id)
);

-- Where a journal stands; not part of the ledger, only of taking it in.
CREATE TABLE journal_head (
  tenant_id   uuid NOT NULL,
  journal_id  uuid NOT NULL,
  next_number bigint NOT NULL DEFAULT 0,
  next_seq    bigint NOT NULL DEFAULT 0,
  previous    bytea,                         -- hash of the last header
  outbox_seq  bigint NOT NULL DEFAULT 0,     -- everything recorded before this event was seen has been committed
  final       boolean NOT NULL DEFAULT false,
  updated_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, journal_id),
  FOREIGN KEY (tenant_id, journal_id) REFERENCES journal
);

CREATE TABLE segment (
  tenant_id  uuid NOT NULL,
  journal_id uuid NOT NULL,
  number     bigint NOT NULL,
  header     bytea NOT NULL,
  signature  bytea NOT NULL,
  records    bytea NOT NULL,                 -- packed
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, journal_id, number),
  FOREIGN KEY (tenant_id, journal_id) REFERENCES journal
);

-- Which records of a segment belong to a session, and their private parts. Records without a session: the nil UUID.
CREATE TABLE segment_session (
  tenant_id  uuid NOT NULL,
  session_id uuid NOT NULL,
  journal_id uuid NOT NULL,
  number     bigint NOT NULL,
  positions  integer[] NOT NULL,             -- indexes in the segment
  last_leaf  bytea NOT NULL,
  privates   bytea,                          -- packed; null after an erasure
  PRIMARY KEY (tenant_id, session_id, journal_id, number),
  FOREIGN KEY (tenant_id, journal_id, number) REFERENCES segment
);

CREATE TABLE active_block (
  tenant_id      uuid NOT NULL,
  session_id     uuid NOT NULL,
  opened_at      timestamptz NOT NULL,
  last_action_at timestamptz,
  last_action    text,
  actions        bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, session_id),
  FOREIGN KEY (tenant_id, session_id) REFERENCES session
);

CREATE TABLE closed_block (
  tenant_id  uuid NOT NULL REFERENCES tenant,
  number     bigint NOT NULL,
  session_id uuid NOT NULL,
  header     bytea NOT NULL,
  opened_at  timestamptz NOT NULL,
  closed_at  timestamptz NOT NULL,
  reason     text NOT NULL,
  actions    bigint NOT NULL,
  PRIMARY KEY (tenant_id, number),
  UNIQUE (tenant_id, session_id)
);

CREATE TABLE key_change (
  tenant_id uuid NOT NULL REFERENCES tenant,
  number    bigint NOT NULL,
  body      bytea NOT NULL,
  signature bytea NOT NULL,
  PRIMARY KEY (tenant_id, number)
);

-- What waits to be appended to the tenant's log. Its order is that of the inserts; a commit out of order only comes later.
CREATE TABLE seal_queue (
  tenant_id  uuid NOT NULL REFERENCES tenant,
  id         bigint GENERATED ALWAYS AS IDENTITY,
  kind       text NOT NULL CHECK (kind IN ('registration', 'segment', 'block', 'key')),
  journal_id uuid,                           -- registration, segment
  number     bigint,                         -- segment, block, key
  PRIMARY KEY (tenant_id, id)
);

CREATE TABLE log_entry (
  tenant_id  uuid NOT NULL REFERENCES tenant,
  epoch      integer NOT NULL,
  index      bigint NOT NULL,
  kind       text NOT NULL CHECK (kind IN ('registration', 'segment', 'block', 'key')),
  journal_id uuid,
  number     bigint,
  leaf       bytea NOT NULL CHECK (length(leaf) = 32),
  PRIMARY KEY (tenant_id, epoch, index)
);
CREATE UNIQUE INDEX log_entry_item ON log_entry (tenant_id, kind, journal_id, number) NULLS NOT DISTINCT;

-- The log's head: sealers are fenced by compare-and-set on it.
CREATE TABLE log_head (
  tenant_id uuid PRIMARY KEY REFERENCES tenant,
  epoch     integer NOT NULL,
  size      bigint NOT NULL,
  root      bytea NOT NULL,
  halted    text                             -- why sealing stopped: a finding's class, and its place
);

CREATE TABLE checkpoint (
  tenant_id  uuid NOT NULL REFERENCES tenant,
  epoch      integer NOT NULL,
  size       bigint NOT NULL,
  note       text NOT NULL,                  -- signed
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, epoch, size)
);

-- One row per (reason, session or peer, rule) and window.
CREATE TABLE alert (
  tenant_id  uuid NOT NULL REFERENCES tenant,
  id         uuid NOT NULL,
  reason     text NOT NULL,
  dedup_key  text NOT NULL,
  session_id uuid,
  record_id  text NOT NULL,                  -- the first record's
  details    jsonb NOT NULL,                 -- of the first: action, method, path, rule, pod, peer, at
  first_at   timestamptz NOT NULL,
  last_at    timestamptz NOT NULL,
  count      bigint NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX alert_dedup ON alert (tenant_id, dedup_key, first_at);

CREATE TABLE alert_delivery (
  tenant_id    uuid NOT NULL,
  alert_id     uuid NOT NULL,
  receiver     text NOT NULL,
  attempts     integer NOT NULL DEFAULT 0,
  next_at      timestamptz NOT NULL DEFAULT now(),
  delivered_at timestamptz,
  last_error   text,
  PRIMARY KEY (tenant_id, alert_id, receiver),
  FOREIGN KEY (tenant_id, alert_id) REFERENCES alert
);
CREATE INDEX alert_delivery_due ON alert_delivery (next_at) WHERE delivered_at IS NULL;

-- Down Migration

SET search_path TO heauth;
DROP TABLE alert_delivery, alert, checkpoint, log_head, log_entry, seal_queue, key_change, closed_block, active_block,
  segment_session, segment, journal_head, journal;
