CREATE TABLE activity (
    center       INTEGER NOT NULL,
    webhook      INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    process      INTEGER NOT NULL,
    accepted     INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL,
    failed       INTEGER NOT NULL,
    exhausted    INTEGER NOT NULL,
    delays       BLOB    NOT NULL,
    PRIMARY KEY (center, webhook, at, process)
) WITHOUT ROWID;

CREATE TABLE answers (
    center      INTEGER NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL,
    status      INTEGER NOT NULL,
    body        BLOB    NOT NULL,
    at          INTEGER NOT NULL, sealed_with INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (center, key)
) WITHOUT ROWID;

CREATE INDEX answers_by_age ON answers (at);

CREATE INDEX answers_by_master_key ON answers (sealed_with) WHERE sealed_with > 0;

CREATE TABLE api_keys (
    id         BLOB    NOT NULL PRIMARY KEY,
    center     INTEGER NOT NULL, -- 0: an admin key
    name       TEXT    NOT NULL,
    hash       BLOB    NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
, permissions TEXT NOT NULL DEFAULT 'admin', enabled INTEGER NOT NULL DEFAULT 1, expires_at INTEGER NOT NULL DEFAULT 0, used_at INTEGER NOT NULL DEFAULT 0, updated_at INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;

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
    response    BLOB    NOT NULL, dns_us INTEGER NOT NULL DEFAULT 0, connect_us INTEGER NOT NULL DEFAULT 0, tls_us INTEGER NOT NULL DEFAULT 0, first_byte_us INTEGER NOT NULL DEFAULT 0, events INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (center, event, webhook, number)
) WITHOUT ROWID;

CREATE INDEX attempts_by_failure ON attempts (center, failure, event, webhook) WHERE failure <> 0;

CREATE INDEX attempts_by_status ON attempts (center, status, event, webhook) WHERE status <> 200;

CREATE TABLE audit (
    center  INTEGER NOT NULL,
    serial  INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    before  TEXT    NOT NULL, -- as JSON, secrets redacted; empty: there was nothing
    after   TEXT    NOT NULL,
    PRIMARY KEY (center, serial)
) WITHOUT ROWID;

CREATE INDEX audit_by_subject ON audit (center, subject, serial);

CREATE TABLE catalogue (version INTEGER NOT NULL, circuits INTEGER NOT NULL DEFAULT 1);

CREATE TABLE compatibility (oldest INTEGER NOT NULL);

CREATE TABLE contact_centers (
    number     INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL
, settings TEXT NOT NULL DEFAULT '{}', updated_at INTEGER NOT NULL DEFAULT 0);

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

CREATE INDEX deliveries_exhausted ON deliveries (center, event) WHERE state = 3;

CREATE INDEX deliveries_exhausted_by_webhook ON deliveries (center, webhook, event) WHERE state = 3;

CREATE INDEX deliveries_waiting ON deliveries (center, waits_for, webhook) WHERE state = 2;

CREATE TABLE events (
    center       INTEGER NOT NULL,
    serial       INTEGER NOT NULL,
    interaction  INTEGER NOT NULL,
    kind         INTEGER NOT NULL,
    operation_id BLOB    NOT NULL,
    occurred_at  INTEGER NOT NULL,
    payload      BLOB    NOT NULL, trace BLOB NOT NULL DEFAULT x'',
    PRIMARY KEY (center, serial)
) WITHOUT ROWID;

CREATE INDEX events_notices ON events (center, serial) WHERE interaction = 0;

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
    finished_event INTEGER NOT NULL DEFAULT 0, accepted_at INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (center, serial)
) WITHOUT ROWID;

CREATE UNIQUE INDEX interactions_by_id ON interactions (center, id);

CREATE INDEX interactions_by_session ON interactions (center, session_id);

CREATE INDEX interactions_open ON interactions (center, serial) WHERE stopped_at = 0;

CREATE TABLE master_keys (
    number     INTEGER NOT NULL PRIMARY KEY,
    proof      BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE notice_marks (
    center    INTEGER NOT NULL,
    kind      INTEGER NOT NULL,
    webhook   INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    held_back INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (center, kind, webhook)
) WITHOUT ROWID;

CREATE TABLE replays (
    center      INTEGER NOT NULL,
    id          BLOB    NOT NULL,
    webhook     INTEGER NOT NULL,
    filter      TEXT    NOT NULL, -- which deliveries, as JSON
    rate        INTEGER NOT NULL, -- deliveries per second; 0: as fast as it goes
    dry_run     INTEGER NOT NULL,
    state       INTEGER NOT NULL, -- 1 running, 2 paused, 3 finished, 4 cancelled
    actor       TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    finished_at INTEGER NOT NULL DEFAULT 0,
    due_at      INTEGER NOT NULL DEFAULT 0, -- when its next batch may begin
    passed      INTEGER NOT NULL DEFAULT 0, -- the event of the last delivery that was looked at
    matched     INTEGER NOT NULL DEFAULT 0,
    replayed    INTEGER NOT NULL DEFAULT 0,
    skipped     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (center, id)
) WITHOUT ROWID;

CREATE INDEX replays_due ON replays (due_at) WHERE state = 1;

CREATE TABLE retention (
    center   INTEGER PRIMARY KEY,
    passed   INTEGER NOT NULL, -- the serial of the last one that was looked at
    began_at INTEGER NOT NULL  -- when the walk began at the first one
);

CREATE TABLE trims (
    center   INTEGER NOT NULL,
    what     INTEGER NOT NULL, -- 1 payloads, 2 attempts, 3 deliveries
    passed   INTEGER NOT NULL, -- the serial of the last event that was looked at
    began_at INTEGER NOT NULL,
    PRIMARY KEY (center, what)
) WITHOUT ROWID;

CREATE TABLE webhooks (
    center     INTEGER NOT NULL,
    number     INTEGER NOT NULL UNIQUE,
    id         BLOB    NOT NULL,
    settings   TEXT    NOT NULL,
    unsealed     TEXT    NOT NULL,
    enabled    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER NOT NULL DEFAULT 0, open_since INTEGER NOT NULL DEFAULT 0, probe_at INTEGER NOT NULL DEFAULT 0, probe_wait INTEGER NOT NULL DEFAULT 0, disabled_at INTEGER NOT NULL DEFAULT 0, disabled_for INTEGER NOT NULL DEFAULT 0, sealed BLOB NOT NULL DEFAULT x'', sealed_with INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (center, number)
) WITHOUT ROWID;

CREATE UNIQUE INDEX webhooks_by_id ON webhooks (center, id);

CREATE INDEX webhooks_by_master_key ON webhooks (sealed_with);
