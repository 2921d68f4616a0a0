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

CREATE INDEX journal_head_unfinished ON journal_head (tenant_id, journal_id) INCLUDE (outbox_seq) WHERE NOT final;

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
  leaves     bytea NOT NULL,                 -- the leaves at these positions, 32 bytes each: a block's root needs no records
  privates   bytea,                          -- packed; null after an erasure
  PRIMARY KEY (tenant_id, session_id, journal_id, number),
  FOREIGN KEY (tenant_id, journal_id, number) REFERENCES segment
);
CREATE INDEX segment_session_of_segment ON segment_session (tenant_id, journal_id, number);

CREATE TABLE active_block (
  tenant_id      uuid NOT NULL,
  session_id     uuid NOT NULL,
  opened_at      timestamptz NOT NULL,
  last_action_at timestamptz,
  last_action    text,
  actions        bigint NOT NULL DEFAULT 0,  -- decisions, denied ones too, and the app's own actions
  closing_at     timestamptz,                -- when its session.close was taken in: it waits to become a closed block
  PRIMARY KEY (tenant_id, session_id),
  FOREIGN KEY (tenant_id, session_id) REFERENCES session
);
CREATE INDEX active_block_closing ON active_block (closing_at) WHERE closing_at IS NOT NULL;

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

-- Records that came in after their session's block was closed; an amendment takes them out.
CREATE TABLE late_record (
  tenant_id  uuid NOT NULL,
  session_id uuid NOT NULL,
  journal_id uuid NOT NULL,
  number     bigint NOT NULL,
  count      integer NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, session_id, journal_id, number),
  FOREIGN KEY (tenant_id, session_id, journal_id, number) REFERENCES segment_session
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
  kind       text NOT NULL CHECK (kind IN ('registration', 'segment', 'block')),
  journal_id uuid,                           -- registration, segment
  number     bigint,                         -- segment, block
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);

CREATE TABLE log_entry (
  tenant_id  uuid NOT NULL REFERENCES tenant,
  epoch      integer NOT NULL,
  index      bigint NOT NULL,
  kind       text NOT NULL CHECK (kind IN ('registration', 'segment', 'block', 'key')),
  journal_id uuid,                           -- registration, segment
  number     bigint,                         -- segment, block, key
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
  frontier  bytea NOT NULL,                  -- roots of the complete subtrees, so that appending needs no older leaf
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

-- One row per (reason, session or peer prefix, rule) and window.
CREATE TABLE alert (
  tenant_id  uuid NOT NULL REFERENCES tenant,
  id         uuid NOT NULL,
  reason     text NOT NULL,
  dedup_key  text NOT NULL,
  session_id uuid,
  record_id  text,                           -- the first record's; absent when the ledger itself is at fault
  details    jsonb NOT NULL,                 -- of the first: action, method, path, rule, pod, peer
  first_at   timestamptz NOT NULL,
  last_at    timestamptz NOT NULL,
  count      bigint NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, id)
);

-- Which alert further ones with the same key count to, and until when.
CREATE TABLE alert_window (
  tenant_id uuid NOT NULL REFERENCES tenant,
  dedup_key text NOT NULL,
  alert_id  uuid NOT NULL,
  until     timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, dedup_key)
);
CREATE INDEX alert_window_until ON alert_window (until);

-- Counts what alerts only when it comes in runs.
CREATE TABLE alert_run (
  tenant_id uuid NOT NULL REFERENCES tenant,
  dedup_key text NOT NULL,
  since     timestamptz NOT NULL,
  count     bigint NOT NULL,
  PRIMARY KEY (tenant_id, dedup_key)
);
CREATE INDEX alert_run_since ON alert_run (since);

-- What a receiver is to be told: of an alert when it is raised (First), and how often it came when its window is over (Total).
CREATE TABLE alert_delivery (
  tenant_id    uuid NOT NULL,
  alert_id     uuid NOT NULL,
  receiver     text NOT NULL,
  kind         text NOT NULL CHECK (kind IN ('First', 'Total')),
  attempts     integer NOT NULL DEFAULT 0,
  next_at      timestamptz NOT NULL DEFAULT now(),
  digest       boolean NOT NULL DEFAULT false, -- over the receiver's budget: told of in the next digest
  delivered_at timestamptz,
  abandoned_at timestamptz,
  last_error   text,
  PRIMARY KEY (tenant_id, alert_id, receiver, kind),
  FOREIGN KEY (tenant_id, alert_id) REFERENCES alert
);
CREATE INDEX alert_delivery_due ON alert_delivery (next_at) WHERE delivered_at IS NULL AND abandoned_at IS NULL;

-- How many messages a receiver was sent in its current budget window.
CREATE TABLE alert_budget (
  tenant_id    uuid NOT NULL REFERENCES tenant,
  receiver     text NOT NULL,
  window_start timestamptz NOT NULL,
  sent         integer NOT NULL,
  PRIMARY KEY (tenant_id, receiver)
);

-- Down Migration

SET search_path TO heauth;
DROP TABLE alert_budget, alert_delivery, alert_run, alert_window, alert, checkpoint, log_head, log_entry, seal_queue, key_change,
  late_record, closed_block, active_block, segment_session, segment, journal_head, journal;
