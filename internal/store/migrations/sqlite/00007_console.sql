-- +goose Up
-- What an attempt spent its time on, and how many events its POST carried. Programs that do not know the columns go on as before.
ALTER TABLE attempts ADD COLUMN dns_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN connect_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN tls_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN first_byte_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN events INTEGER NOT NULL DEFAULT 1;

-- When an agent accepted it last.
ALTER TABLE interactions ADD COLUMN accepted_at INTEGER NOT NULL DEFAULT 0;

-- What was going on, in steps of time: of a contact centre as a whole (webhook 0) and of each webhook. Each process writes rows of its
-- own, so that none of them has to add to another's.
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

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('activity', 'activity', '2000000 200000 2000 2 1');
