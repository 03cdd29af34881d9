-- +goose Up
-- What an attempt spent its time on, and how many events its POST carried. Programs that do not know the columns go on as before.
ALTER TABLE attempts ADD COLUMN dns_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN connect_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN tls_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN first_byte_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN events SMALLINT NOT NULL DEFAULT 1;

-- When an agent accepted it last.
ALTER TABLE interactions ADD COLUMN accepted_at BIGINT NOT NULL DEFAULT 0;

-- What was going on, in steps of time: of a contact centre as a whole (webhook 0) and of each webhook. Each process writes rows of its
-- own, so that none of them has to add to another's.
CREATE TABLE activity (
    center       INTEGER NOT NULL,
    webhook      INTEGER NOT NULL,
    at           BIGINT  NOT NULL,
    process      BIGINT  NOT NULL,
    accepted     BIGINT  NOT NULL,
    acknowledged BIGINT  NOT NULL,
    failed       BIGINT  NOT NULL,
    exhausted    BIGINT  NOT NULL,
    delays       BYTEA   NOT NULL,
    PRIMARY KEY (center, webhook, at, process)
);
