-- +goose Up
-- Every key starts with the contact centre. Times are milliseconds since 1970 in UTC; serials are internal/hook.Serial;
-- the numbers of states and kinds are listed in docs/schema.md.

CREATE TABLE contact_centers (
    number     INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TABLE api_keys (
    id         BLOB    NOT NULL PRIMARY KEY,
    center     INTEGER NOT NULL, -- 0: an admin key
    name       TEXT    NOT NULL,
    hash       BLOB    NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE webhooks (
    center     INTEGER NOT NULL,
    number     INTEGER NOT NULL UNIQUE,
    id         BLOB    NOT NULL,
    settings   TEXT    NOT NULL,
    secret     TEXT    NOT NULL,
    enabled    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (center, number)
) WITHOUT ROWID;
CREATE UNIQUE INDEX webhooks_by_id ON webhooks (center, id);

CREATE TABLE interactions (
    center         INTEGER NOT NULL,
    serial         INTEGER NOT NULL,
    id             BLOB    NOT NULL,
    session_id     BLOB    NOT NULL,
    media          INTEGER NOT NULL,
    subtype        INTEGER NOT NULL,
    state          INTEGER NOT NULL,
    queue          TEXT    NOT NULL DEFAULT '',
    agent          TEXT    NOT NULL DEFAULT '',
    content        TEXT    NOT NULL DEFAULT '',
    created_at     INTEGER NOT NULL,
    submitted_at   INTEGER NOT NULL DEFAULT 0,
    started_event  INTEGER NOT NULL DEFAULT 0,
    stopped_at     INTEGER NOT NULL DEFAULT 0,
    stopped_by     INTEGER NOT NULL DEFAULT 0,
    stop_reason    TEXT    NOT NULL DEFAULT '',
    finished_event INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (center, serial)
) WITHOUT ROWID;
CREATE UNIQUE INDEX interactions_by_id ON interactions (center, id);
CREATE INDEX interactions_by_session ON interactions (center, session_id);
CREATE INDEX interactions_open ON interactions (center, serial) WHERE state <> 4;

CREATE TABLE events (
    center       INTEGER NOT NULL,
    serial       INTEGER NOT NULL,
    interaction  INTEGER NOT NULL,
    kind         INTEGER NOT NULL,
    operation_id BLOB    NOT NULL,
    occurred_at  INTEGER NOT NULL,
    payload      BLOB    NOT NULL,
    PRIMARY KEY (center, serial)
) WITHOUT ROWID;

-- The open set: deliveries that are not delivered. A delivered one is deleted here and lives on as its last attempt.
CREATE TABLE deliveries (
    center    INTEGER NOT NULL,
    event     INTEGER NOT NULL,
    webhook   INTEGER NOT NULL,
    state     INTEGER NOT NULL,           -- 1 pending, 2 waiting for its STARTED, 3 exhausted
    due_at    INTEGER NOT NULL,           -- when it may be claimed; while it is leased, when the lease ends
    lease     INTEGER NOT NULL,           -- the token of the one who may record its outcome; 0: nobody
    waits_for INTEGER NOT NULL DEFAULT 0, -- the STARTED that it waits for
    followed  INTEGER NOT NULL DEFAULT 0, -- 1: a FINISHED waits for this one
    attempts  INTEGER NOT NULL DEFAULT 0,
    base      INTEGER NOT NULL DEFAULT 0, -- attempts made before the last replay
    PRIMARY KEY (center, event, webhook)
) WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (center, webhook, due_at) WHERE state = 1;
CREATE INDEX deliveries_waiting ON deliveries (center, waits_for, webhook) WHERE state = 2;
CREATE INDEX deliveries_exhausted ON deliveries (center, event) WHERE state = 3;

-- The log: one row for every POST, only ever appended to.
CREATE TABLE attempts (
    center      INTEGER NOT NULL,
    event       INTEGER NOT NULL,
    webhook     INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    status      INTEGER NOT NULL,
    failure     INTEGER NOT NULL, -- 0: acknowledged
    error       TEXT    NOT NULL,
    response    BLOB    NOT NULL,
    PRIMARY KEY (center, event, webhook, number)
) WITHOUT ROWID;

-- The first answers to requests with an Idempotency-Key.
CREATE TABLE answers (
    center      INTEGER NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL,
    status      INTEGER NOT NULL,
    body        BLOB    NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (center, key)
) WITHOUT ROWID;
CREATE INDEX answers_by_age ON answers (at);

-- Without statistics SQLite takes a contact centre for a handful of rows and reads it whole rather than use an index. These
-- say what a busy store looks like, so that the plans are right from the first row and never change by themselves.
ANALYZE;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('contact_centers', NULL, '10'),
    ('webhooks', 'webhooks', '1000 100 1'),
    ('webhooks', 'webhooks_by_id', '1000 100 1'),
    ('interactions', 'interactions', '10000000 1000000 1'),
    ('interactions', 'interactions_by_id', '10000000 1000000 1'),
    ('interactions', 'interactions_by_session', '10000000 1000000 2'),
    ('interactions', 'interactions_open', '100000 10000 1'),
    ('events', 'events', '20000000 2000000 1'),
    ('deliveries', 'deliveries', '10000000 1000000 2 1'),
    ('deliveries', 'deliveries_due', '10000000 1000000 100000 2'),
    ('deliveries', 'deliveries_waiting', '100000 10000 2 1'),
    ('deliveries', 'deliveries_exhausted', '100000 10000 1'),
    ('attempts', 'attempts', '40000000 4000000 4 2 1'),
    ('answers', 'answers', '1000000 100000 1'),
    ('answers', 'answers_by_age', '1000000 1');
