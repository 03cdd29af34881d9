-- +goose Up
-- Every key starts with the contact centre. Times are milliseconds since 1970 in UTC; serials are internal/hook.Serial;
-- the numbers of states and kinds are listed in docs/schema.md. Columns are ordered so that none is padded.

CREATE TABLE contact_centers (
    number     INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    created_at BIGINT  NOT NULL
);

CREATE TABLE api_keys (
    id         UUID    NOT NULL PRIMARY KEY,
    created_at BIGINT  NOT NULL,
    center     INTEGER NOT NULL, -- 0: an admin key
    name       TEXT    NOT NULL,
    hash       BYTEA   NOT NULL UNIQUE
);

CREATE TABLE webhooks (
    center     INTEGER  NOT NULL,
    number     INTEGER  NOT NULL UNIQUE,
    id         UUID     NOT NULL,
    created_at BIGINT   NOT NULL,
    updated_at BIGINT   NOT NULL,
    deleted_at BIGINT   NOT NULL DEFAULT 0,
    enabled    SMALLINT NOT NULL,
    settings   TEXT     NOT NULL,
    secret     TEXT     NOT NULL,
    PRIMARY KEY (center, number)
);
CREATE UNIQUE INDEX webhooks_by_id ON webhooks (center, id);

-- What is kept in memory of contact centres, webhooks and keys is as old as the version that was read with it.
CREATE TABLE catalogue (version BIGINT NOT NULL);
INSERT INTO catalogue (version) VALUES (1);

-- A row changes two or three times in its life, in an indexed column only when it is stopped: until then the free space of
-- its page takes the new version.
CREATE TABLE interactions (
    serial         BIGINT   NOT NULL,
    id             UUID     NOT NULL,
    session_id     UUID     NOT NULL,
    created_at     BIGINT   NOT NULL,
    submitted_at   BIGINT   NOT NULL DEFAULT 0,
    started_event  BIGINT   NOT NULL DEFAULT 0,
    stopped_at     BIGINT   NOT NULL DEFAULT 0,
    finished_event BIGINT   NOT NULL DEFAULT 0,
    center         INTEGER  NOT NULL,
    media          SMALLINT NOT NULL,
    subtype        SMALLINT NOT NULL,
    state          SMALLINT NOT NULL,
    stopped_by     SMALLINT NOT NULL DEFAULT 0,
    queue          TEXT     NOT NULL DEFAULT '',
    agent          TEXT     NOT NULL DEFAULT '',
    content        TEXT     NOT NULL DEFAULT '',
    stop_reason    TEXT     NOT NULL DEFAULT '',
    PRIMARY KEY (center, serial)
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX interactions_by_id ON interactions (center, id);
CREATE INDEX interactions_by_session ON interactions (center, session_id);
CREATE INDEX interactions_open ON interactions (center, serial) WHERE stopped_at = 0;

CREATE TABLE events (
    serial       BIGINT   NOT NULL,
    interaction  BIGINT   NOT NULL,
    occurred_at  BIGINT   NOT NULL,
    operation_id UUID     NOT NULL,
    center       INTEGER  NOT NULL,
    kind         SMALLINT NOT NULL,
    payload      BYTEA    NOT NULL,
    PRIMARY KEY (center, serial)
);

-- The open set: deliveries that are not delivered. A delivered one is deleted here and lives on as its last attempt. The
-- table is small and its rows live for milliseconds, so it is vacuumed by how many have died, at full speed.
CREATE TABLE deliveries (
    event     BIGINT   NOT NULL,
    due_at    BIGINT   NOT NULL DEFAULT 0, -- when a pending one may be claimed; for a leased one, when its lease ends
    lease     BIGINT   NOT NULL DEFAULT 0, -- the token of its lease
    waits_for BIGINT   NOT NULL DEFAULT 0, -- the STARTED that a waiting FINISHED waits for
    center    INTEGER  NOT NULL,
    webhook   INTEGER  NOT NULL,
    attempts  INTEGER  NOT NULL DEFAULT 0,
    base      INTEGER  NOT NULL DEFAULT 0, -- attempts made before the last replay
    state     SMALLINT NOT NULL,
    followed  SMALLINT NOT NULL DEFAULT 0, -- 1: a FINISHED waits for this one
    PRIMARY KEY (center, event, webhook)
) WITH (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000
);
CREATE INDEX deliveries_due ON deliveries (center, webhook, due_at, event) WHERE state = 1;
CREATE INDEX deliveries_waiting ON deliveries (center, waits_for, webhook) WHERE state = 2;
CREATE INDEX deliveries_exhausted ON deliveries (center, event) WHERE state = 3;

-- The log: one row for every POST, only ever appended to.
CREATE TABLE attempts (
    event       BIGINT   NOT NULL,
    started_at  BIGINT   NOT NULL,
    duration_us BIGINT   NOT NULL,
    center      INTEGER  NOT NULL,
    webhook     INTEGER  NOT NULL,
    number      INTEGER  NOT NULL,
    status      SMALLINT NOT NULL,
    failure     SMALLINT NOT NULL, -- 0: acknowledged
    error       TEXT     NOT NULL,
    response    BYTEA    NOT NULL,
    PRIMARY KEY (center, event, webhook, number)
);

-- The first answers to requests with an Idempotency-Key.
CREATE TABLE answers (
    at          BIGINT  NOT NULL,
    center      INTEGER NOT NULL,
    status      INTEGER NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint BYTEA   NOT NULL,
    body        BYTEA   NOT NULL,
    PRIMARY KEY (center, key)
);
CREATE INDEX answers_by_age ON answers (at);

-- The processes that use this database. Each has a slot of its own, which is part of its serials, for as long as it renews it.
CREATE TABLE nodes (
    slot       SMALLINT NOT NULL PRIMARY KEY,
    token      BIGINT   NOT NULL,
    started_at BIGINT   NOT NULL,
    until      BIGINT   NOT NULL,
    name       TEXT     NOT NULL
);

-- The oldest schema whose programs may still use this database: a migration that older programs cannot live with raises it.
CREATE TABLE compatibility (oldest INTEGER NOT NULL);
INSERT INTO compatibility (oldest) VALUES (1);
