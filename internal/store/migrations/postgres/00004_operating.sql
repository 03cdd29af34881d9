-- +goose Up
-- What an operator sets for a contact centre, as JSON, and when.
ALTER TABLE contact_centers ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE contact_centers ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;

-- When and why a webhook was disabled by the server: 0 by nobody but a person, 1 it failed too long, 2 it answered 410 Gone.
ALTER TABLE webhooks ADD COLUMN disabled_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhooks ADD COLUMN disabled_for SMALLINT NOT NULL DEFAULT 0;

-- The trace that the request which made the event belongs to: 16 bytes of its id, 8 of the span, 1 whether it is sampled; or nothing.
ALTER TABLE events ADD COLUMN trace BYTEA NOT NULL DEFAULT '';

-- The transaction that made the event: with it, events are read in an order in which none can appear behind one that was read. What
-- is there already counts as made by this one.
ALTER TABLE events ADD COLUMN tx XID8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX events_by_commit ON events (center, tx, serial);

-- Events that are notices belong to no interaction, and are few.
CREATE INDEX events_notices ON events (center, serial) WHERE interaction = 0;

-- When a notice of a kind about a webhook was sent last, and how much was held back since because that was not long ago.
CREATE TABLE notice_marks (
    center    INTEGER  NOT NULL,
    kind      SMALLINT NOT NULL,
    webhook   INTEGER  NOT NULL,
    last_at   BIGINT   NOT NULL,
    held_back BIGINT   NOT NULL DEFAULT 0,
    PRIMARY KEY (center, kind, webhook)
);

-- Replays of ranges, with how far each has come.
CREATE TABLE replays (
    center      INTEGER  NOT NULL,
    id          UUID     NOT NULL,
    webhook     INTEGER  NOT NULL,
    filter      TEXT    NOT NULL, -- which deliveries, as JSON
    rate        INTEGER  NOT NULL, -- deliveries per second; 0: as fast as it goes
    dry_run     SMALLINT NOT NULL,
    state       SMALLINT NOT NULL, -- 1 running, 2 paused, 3 finished, 4 cancelled
    actor       TEXT    NOT NULL,
    created_at  BIGINT   NOT NULL,
    updated_at  BIGINT   NOT NULL,
    finished_at BIGINT   NOT NULL DEFAULT 0,
    due_at      BIGINT   NOT NULL DEFAULT 0, -- when its next batch may begin
    passed      BIGINT   NOT NULL DEFAULT 0, -- the event of the last delivery that was looked at
    matched     BIGINT   NOT NULL DEFAULT 0,
    replayed    BIGINT   NOT NULL DEFAULT 0,
    skipped     BIGINT   NOT NULL DEFAULT 0,
    PRIMARY KEY (center, id)
);

CREATE INDEX replays_due ON replays (due_at) WHERE state = 1;

-- Who changed what.
CREATE TABLE audit (
    center  INTEGER  NOT NULL,
    serial  BIGINT   NOT NULL,
    at      BIGINT   NOT NULL,
    actor   TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    before  TEXT    NOT NULL, -- as JSON, secrets redacted; empty: there was nothing
    after   TEXT    NOT NULL,
    PRIMARY KEY (center, serial)
);

CREATE INDEX audit_by_subject ON audit (center, subject, serial);

-- How far what is removed before its interaction was looked at, as retention says for interactions.
CREATE TABLE trims (
    center   INTEGER  NOT NULL,
    what     SMALLINT NOT NULL, -- 1 payloads, 2 attempts, 3 deliveries
    passed   BIGINT   NOT NULL, -- the serial of the last event that was looked at
    began_at BIGINT   NOT NULL,
    PRIMARY KEY (center, what)
);

-- What searches look for is rare, so these hold little. The first one had no webhook: then the order of the list is not that of the
-- index, and each of its entries is read from the table.
DROP INDEX deliveries_exhausted;
CREATE INDEX deliveries_exhausted ON deliveries (center, event, webhook) WHERE state = 3;
CREATE INDEX deliveries_exhausted_by_webhook ON deliveries (center, webhook, event) WHERE state = 3;
CREATE INDEX attempts_by_failure ON attempts (center, failure, event, webhook) WHERE failure <> 0;
CREATE INDEX attempts_by_status ON attempts (center, status, event, webhook) WHERE status <> 200;
